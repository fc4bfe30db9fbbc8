"""Several files as one dataset: which files are meant, that names and order change nothing, and what is combined."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.chunks import examples_hash
from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.manifest import Ceiling, manifest_path
from storyteller_trainer.character.data.shards import load_shards
from storyteller_trainer.character.data.survey import survey
from storyteller_trainer.commands.train_character_model import main

Records = Callable[..., list[dict[str, Any]]]
Write = Callable[[Path, list[dict[str, Any]]], Path]


@pytest.fixture
def files(tmp_path: Path, records: Records, write: Write) -> list[Path]:
    """Three files of 20, 30 and 40 examples, with other cells in each."""
    (tmp_path / "data").mkdir()
    return [
        write(tmp_path / "data" / f"{name}.jsonl", records(rows, cells=cells, seed=rows))
        for name, rows, cells in (("a", 20, 4), ("b", 30, 5), ("c", 40, 8))
    ]


def test_a_file_a_folder_and_a_pattern_mean_files(files: list[Path]) -> None:
    folder = files[0].parent
    (folder / "notes.txt").write_text("no data")
    assert find_shards([files[1]]) == [files[1]]
    assert find_shards([folder]) == files
    assert find_shards([folder / "[ab].jsonl"]) == files[:2]
    assert find_shards([files[2], folder]) == [files[2], *files[:2]], "none is taken twice"


@pytest.mark.parametrize(("place", "message"), [("data", "the folder holds no"), ("data/*.jsonl", "no file matches")])
def test_a_place_without_files_is_an_error(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(StorytellerError, match=message):
        find_shards([tmp_path / place])


def test_one_file_is_itself(files: list[Path]) -> None:
    data = load_shards(files[:1], cache_dir=None)
    assert isinstance(data.features, np.ndarray)
    assert data.path == files[0]


def test_several_files_are_one_dataset(files: list[Path]) -> None:
    parts = {load_shards([file], cache_dir=None).content_hash: file for file in files}
    data = load_shards(files, Path("cache"))
    assert len(data) == 90
    row = 0
    for digest in sorted(parts):
        for record in map(json.loads, parts[digest].read_text().splitlines()):
            assert (data.features[np.array([row])][0] == np.array(record["features"], np.float32)).all()
            assert (data.labels[np.array([row])][0] == np.array(record["labels"], np.float32)).all()
            assert data.cell_names[data.cells[row]].archetype_a == record["cell"]["archetype_a"]
            row += 1
    assert data.cell_names == tuple(sorted(set(data.cell_names)))


def test_neither_names_nor_their_order_change_the_data(files: list[Path]) -> None:
    data = load_shards(files, cache_dir=None)
    files[0] = files[0].rename(files[0].with_name("z.jsonl"))
    other = load_shards(files[::-1], cache_dir=None)
    assert data.content_hash == other.content_hash
    np.testing.assert_array_equal(np.asarray(data.features), np.asarray(other.features))
    np.testing.assert_array_equal(data.cells, other.cells)
    assert data.content_hash != load_shards(files[:2], cache_dir=None).content_hash


def test_duplicates_are_found_across_files(files: list[Path]) -> None:
    copy = files[0].with_name("copy.jsonl")
    copy.write_bytes(files[0].read_bytes() + files[1].read_bytes())
    assert load_shards([*files, copy], cache_dir=None).duplicates == 50
    assert survey([*files, copy]).duplicates == 50


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_and_its_compressed_copy_are_read_once(files: list[Path], order: int) -> None:
    packed = files[0].with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(files[0].read_bytes()))
    said: list[str] = []
    alone = load_shards(files, cache_dir=None)
    both = load_shards([*files, packed][::order], cache_dir=None, notify=said.append)
    assert (both.content_hash, both.duplicates) == (alone.content_hash, 0)
    assert said == [f"{packed}: the compressed copy of {files[0]}, which is read; this one is not"]
    assert survey([*files, packed][::order], notify=said.append).examples == len(alone)
    assert len(said) == 2


def test_a_compressed_file_of_other_content_is_read_too(files: list[Path]) -> None:
    packed = files[0].with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(files[1].read_bytes()))
    said: list[str] = []
    assert load_shards([*files[:1], packed], cache_dir=None, notify=said.append).duplicates == 0
    assert said == []


def told(value: float) -> dict[str, Any]:
    terms = {f"{region.name}.{field.name}": value for region in PREDICTIONS.regions for field in region.fields}
    heads = dict.fromkeys(("action", "speech", "thought", "emotion"), 0.0)
    return {"irreducible_loss": {"total": 0.0, **heads, "terms": terms}, "best_accuracy": {"action.type": value}}


def test_the_lowest_loss_is_the_mean_over_examples(files: list[Path]) -> None:
    for file, value in zip(files, (0.1, 0.2, 0.6), strict=True):
        own = {"examples_hash": examples_hash(load_dataset(file, cache_dir=None).digests)}
        manifest_path(file).write_text(json.dumps(told(value) | own))
    ceiling = load_shards(files, cache_dir=None).ceiling
    assert ceiling.terms is not None
    expected = (20 * 0.1 + 30 * 0.2 + 40 * 0.6) / 90
    assert ceiling.terms["thought.awareness"] == pytest.approx(expected)
    assert ceiling.best_accuracy == {"action.type": pytest.approx(expected)}
    manifest_path(files[1]).unlink()
    assert load_shards(files, cache_dir=None).ceiling == Ceiling(), "what one file does not tell is not known of all"


def test_a_bad_manifest_is_named(files: list[Path]) -> None:
    manifest_path(files[1]).write_text('{"irreducible_loss": 3}')
    with pytest.raises(StorytellerError, match=r"b\.manifest\.json: Expected"):
        load_shards(files, cache_dir=None)


def test_a_problem_in_any_file_is_named(files: list[Path]) -> None:
    files[1].write_bytes(files[1].read_bytes() + b"oops\n")
    with pytest.raises(StorytellerError, match=r"b\.jsonl: line 31: not JSON"):
        load_shards(files, cache_dir=None)
    found = survey(files)
    assert (found.examples, found.problems, found.lines_with_problems) == (90, 1, 1)
    assert found.first_problems[0].startswith(f"{files[1]}: line 31: ")


def test_the_command_takes_a_folder(files: list[Path]) -> None:
    options = ["--epochs", "1", "--device", "cpu", "--json"]
    done = CliRunner().invoke(main, [str(files[0].parent), *options])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["data"]["examples"] == 90
    done = CliRunner().invoke(main, [*map(str, files), "--validate-only", "--json"])
    assert json.loads(done.stdout)["examples"] == 90
