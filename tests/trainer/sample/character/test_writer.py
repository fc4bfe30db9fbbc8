"""Generated data as a whole: in memory, in the file, and in the manifest."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from failing_disk import at_every_write
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import AwarenessLevel, Primary
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.rules.axes import LABEL_AXES
from storyteller_trainer.character.rules.coherence import coherence
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_files import check_descriptors, load_descriptors
from storyteller_trainer.sample.character.descriptors import Descriptors, EmotionalProfile, PrimaryEmotion, Range
from storyteller_trainer.sample.character.generate import CHUNK, generate_dataset
from storyteller_trainer.sample.character.plan import make_plan
from storyteller_trainer.sample.character.synthetic import random_descriptors
from storyteller_trainer.sample.character.writer import write_dataset

SHIPPED = load_descriptors()


def write(path: Path, descriptors: Descriptors = SHIPPED, **settings: Any) -> list[dict[str, Any]]:
    """Writes a file and reads its lines."""
    write_dataset(make_plan(descriptors, SampleConfig(**settings)), path)
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_manifest(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def structural(world: Descriptors) -> Descriptors:
    """The same world, but what moves its people most is Structural, which always costs coherence."""
    primary = PrimaryEmotion(
        primary_id=Primary.ANGER, intensity=Range(min=0.5, max=0.5), awareness=AwarenessLevel.STRUCTURAL
    )
    archetypes = tuple(
        msgspec.structs.replace(a, default_emotional_profile=EmotionalProfile(primaries=(primary,)))
        for a in world.archetypes
    )
    return msgspec.structs.replace(world, archetypes=archetypes)


def test_every_line_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.jsonl", examples=60, cells=7)
    assert len(lines) == 60
    assert list(lines[0]) == ["id", "cell", "variation", "features", "labels", "coherence_score", "content_hash"]
    assert list(lines[0]["cell"]) == ["archetype_a", "archetype_b", "dynamic", "a_is_role_a", "profile", "genre"]
    for line in lines:
        assert isinstance(line["cell"]["a_is_role_a"], bool)
        assert line["cell"]["genre"] == "low_fantasy_folklore"
        assert len(line["features"]) == 453
        assert len(line["labels"]) == 42
    assert uuid.UUID(lines[0]["id"]).version == 4
    assert len({line["id"] for line in lines}) == 60
    # 60 over 7 cells: 8 each, and 4 cells have one more.
    variations: dict[str, list[int]] = {}
    for line in lines:
        variations.setdefault(str(line["cell"]), []).append(line["variation"])
    assert sorted(map(len, variations.values())) == [8, 8, 8, 9, 9, 9, 9]
    assert all(numbers == list(range(len(numbers))) for numbers in variations.values())


def test_hash_and_score_are_those_of_the_written_numbers(tmp_path: Path) -> None:
    for line in write(tmp_path / "a.jsonl", examples=50):
        values = np.array([*line["features"], *line["labels"]], "<f4")
        assert line["content_hash"] == hashlib.sha256(values.tobytes()).hexdigest()
        assert line["coherence_score"] == coherence(values[None, :453], values[None, 453:])[0]


def test_the_trainer_reads_the_file_as_it_was_generated(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", examples=500, cells=40)
    made = generate_dataset(SHIPPED, SampleConfig(examples=500, cells=40))
    read = load_dataset(tmp_path / "a.jsonl", cache_dir=None)
    assert np.asarray(read.features).tobytes() == made.features.tobytes()
    assert np.asarray(read.labels).tobytes() == made.labels.tobytes()
    assert len(read.cell_names) == 40
    assert read.duplicates == 0
    assert read.notices == ()
    assert read.ceiling.irreducible(HEAD_WEIGHTS) == made.irreducible


def test_the_manifest(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.jsonl", examples=300, cells=50, seed=9, min_coherence=0.95)
    manifest = read_manifest(tmp_path / "a.manifest.json")
    assert manifest["total_generated"] == 300
    assert manifest["total_valid"] == len(lines) < 300
    assert manifest["total_rejected"] == 300 - len(lines)
    assert manifest["mean_coherence"] == pytest.approx(np.mean([line["coherence_score"] for line in lines]))
    assert min(line["coherence_score"] for line in lines) >= 0.95
    covered = len({json.dumps(line["cell"]) for line in lines})
    assert manifest["cells"] == covered
    available = make_plan(SHIPPED, SampleConfig()).available
    assert manifest["matrix_coverage"] == covered / available
    assert (manifest["input_features"], manifest["output_features"]) == (453, 42)
    assert (manifest["seed"], manifest["genre"], manifest["min_coherence"]) == (9, "low_fantasy_folklore", 0.95)
    assert manifest["schema_fingerprint"] == fingerprint()
    assert datetime.fromisoformat(manifest["generated_at"]).tzinfo is not None
    assert manifest["version"] == "1.0"
    assert set(manifest["irreducible_loss"]) == {"total", "action", "speech", "thought", "emotion", "terms"}
    assert set(manifest["best_accuracy"]) == {"action.type", "action.context", "speech.occurs", "speech.register"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first.jsonl", "again.jsonl", "other.jsonl"))
    ids = [
        {line["id"] for line in write(path, examples=200, seed=s)} for path, s in ((first, 1), (again, 1), (other, 2))
    ]
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    assert not ids[0] & ids[2]


def test_chunks_continue_each_other_and_do_not_repeat() -> None:
    made = generate_dataset(SHIPPED, SampleConfig(examples=2 * CHUNK + 10, cells=100))
    assert len(made.features) == 2 * CHUNK + 10
    assert np.bincount(made.cells).tolist() == made.plan.counts.tolist()
    assert np.all(np.diff(made.cells) >= 0)
    assert len(np.unique(made.features, axis=0)) == len(made.features)


def test_a_name_ending_in_gz_gives_the_same_lines_packed_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    write(tmp_path / "plain.jsonl", examples=100)
    packed = []
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        write_dataset(make_plan(SHIPPED, SampleConfig(examples=100)), tmp_path / name)
        packed.append((tmp_path / name).read_bytes())
    assert packed[0] == packed[1]
    assert gzip.decompress(packed[0]) == (tmp_path / "plain.jsonl").read_bytes()
    assert (tmp_path / "one.manifest.json").is_file()


def test_numbers_are_written_with_few_digits_and_read_back_exactly(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", examples=5)
    text = (tmp_path / "a.jsonl").read_text()
    numbers = json.loads(text.splitlines()[0], parse_float=str)["features"]
    assert max(len(number) for number in numbers) <= 13
    assert len(set(numbers)) > 50


def test_a_name_that_is_no_jsonl_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match=r"data\.csv: .* ending in \.jsonl or \.jsonl\.gz"):
        write_dataset(make_plan(SHIPPED, SampleConfig(examples=1)), tmp_path / "data.csv")
    assert list(tmp_path.iterdir()) == []


def test_when_all_is_rejected_that_is_an_error_and_the_old_files_stay(world: Descriptors, tmp_path: Path) -> None:
    output = tmp_path / "a.jsonl"
    write(output, world, examples=4)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    plan = make_plan(structural(world), SampleConfig(examples=8, min_coherence=1))
    with pytest.raises(StorytellerError, match=r"all 8 examples scored below a coherence of 1; lower --min-coherence"):
        write_dataset(plan, output)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(before) == {"a.jsonl", "a.manifest.json"}


def test_rejected_examples_are_not_replaced(world: Descriptors) -> None:
    config = SampleConfig(examples=400, min_coherence=0.9, seed=3)
    kept = generate_dataset(structural(world), config)
    everything = generate_dataset(structural(world), SampleConfig(examples=400, min_coherence=0, seed=3))
    fits = everything.coherence >= 0.9
    assert 0 < fits.sum() < 400
    assert kept.features.tobytes() == everything.features[fits].tobytes()
    assert kept.labels.tobytes() == everything.labels[fits].tobytes()


def test_progress_counts_every_example(tmp_path: Path) -> None:
    steps: list[int] = []
    plan = make_plan(SHIPPED, SampleConfig(examples=CHUNK + 5, cells=10, min_coherence=0.95))
    manifest = write_dataset(plan, tmp_path / "a.jsonl", steps.append)
    assert steps == [CHUNK, 5]
    assert manifest.total_rejected > 0


@pytest.mark.parametrize("seed", range(4))
def test_random_worlds_are_sound_and_differ(seed: int, tmp_path: Path) -> None:
    descriptors = random_descriptors(seed)
    check_descriptors(descriptors, tmp_path)
    assert descriptors == random_descriptors(seed)
    assert descriptors != random_descriptors(seed + 1)
    assert all(6 <= len(archetype.axes) <= 16 for archetype in descriptors.archetypes)
    layouts = [sorted(axis.axis_id for axis in archetype.axes) for archetype in descriptors.archetypes]
    assert len({tuple(layout) for layout in layouts}) == len(layouts)
    for name in LABEL_AXES:
        assert len({layout.index(name) for layout in layouts if name in layout}) >= 2
    assert len(make_plan(descriptors, SampleConfig()).cells) == 1303


def test_a_full_disk_at_any_write_leaves_the_old_pair(tmp_path: Path) -> None:
    place = tmp_path / "a.jsonl"
    write(place, examples=20, cells=4)
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    plan = make_plan(SHIPPED, SampleConfig(examples=40, cells=4))

    def check(number: int, error: Exception) -> None:
        assert isinstance(error, StorytellerError)
        told = rf"^{tmp_path}/a\.(jsonl|manifest\.json): cannot write here: No space left on device"
        assert re.match(told, str(error))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old

    assert at_every_write(lambda: write_dataset(plan, place), check) >= 2
    assert len(place.read_text().splitlines()) == 40
