"""What stands beside a training file: which manifest is believed, and what it says a model can reach."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.chunks import examples_hash
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.manifest import Ceiling, manifest_path
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS

Records = Callable[..., list[dict[str, Any]]]
Write = Callable[[Path, list[dict[str, Any]]], Path]
TERMS = {f"{region.name}.{field.name}": 0.25 for region in PREDICTIONS.regions for field in region.fields}
LOSS: dict[str, Any] = {"total": 9.0, "action": 9.0, "speech": 9.0, "thought": 9.0, "emotion": 9.0, "terms": TERMS}


@pytest.fixture
def file(tmp_path: Path, records: Records, write: Write) -> Path:
    """Three examples."""
    return write(tmp_path / "a.jsonl", records(3))


def hash_of(file: Path) -> dict[str, Any]:
    return {"examples_hash": examples_hash(load_dataset(file, cache_dir=None).digests)}


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_the_manifest_stands_beside_the_data(name: str) -> None:
    assert manifest_path(Path("data") / name) == Path("data/a.manifest.json")


def test_the_ceiling_is_read(file: Path) -> None:
    stated = {"total_valid": 3, "irreducible_loss": LOSS, "best_accuracy": {"action.type": 0.33}} | hash_of(file)
    manifest_path(file).write_text(json.dumps(stated))
    ceiling = load_dataset(file, cache_dir=None).ceiling
    assert ceiling == Ceiling(terms=TERMS, best_accuracy={"action.type": 0.33})
    lowest = ceiling.irreducible(HEAD_WEIGHTS)
    assert lowest is not None
    assert (lowest.thought, lowest.terms) == (0.5, TERMS), "two terms of 0.25 each, whatever sum the manifest states"


def test_the_engines_own_manifest_tells_no_ceiling(file: Path) -> None:
    manifest_path(file).write_text(json.dumps({"version": "1.0", "total_valid": 3, "seed": 1}))
    data = load_dataset(file, cache_dir=None)
    assert (data.ceiling, data.notices) == (Ceiling(), ())
    assert data.ceiling.irreducible(HEAD_WEIGHTS) is None


def test_a_manifest_of_other_examples_is_left_out_and_told(
    file: Path, records: Records, write: Write, tmp_path: Path
) -> None:
    """With their number, cells and mean coherence the same."""
    other = write(tmp_path / "b.jsonl", records(3, seed=1))
    stated = {"total_valid": 3, "cells": 3, "mean_coherence": 0.75, "irreducible_loss": LOSS} | hash_of(other)
    manifest_path(file).write_text(json.dumps(stated))
    data = load_dataset(file, cache_dir=None)
    assert data.ceiling == Ceiling()
    told = f"{manifest_path(file)}: speaks of other examples than a.jsonl holds; it is not used"
    assert data.notices == (told,)


def test_the_same_examples_packed_or_in_another_order_keep_their_manifest(file: Path) -> None:
    stated = {"total_valid": 3, "irreducible_loss": LOSS} | hash_of(file)
    manifest_path(file).write_text(json.dumps(stated))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(reversed(lines)))
    assert load_dataset(file, cache_dir=None).ceiling.terms == TERMS
    packed = file.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert load_dataset(packed, cache_dir=None).ceiling.terms == TERMS


OLD: dict[str, Any] = {"total_valid": 3, "cells": 3, "mean_coherence": 0.75, "irreducible_loss": LOSS}


def test_an_old_manifest_is_used_where_what_it_says_agrees(file: Path) -> None:
    manifest_path(file).write_text(json.dumps(OLD))
    data = load_dataset(file, cache_dir=None)
    assert data.ceiling.terms == TERMS
    (notice,) = data.notices
    assert "has no hash of its examples; it is used, as their number, cells and mean coherence agree" in notice


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cells": 4}, "speaks of 4 cells, but a.jsonl has 3"),
        ({"mean_coherence": 0.7501}, "speaks of a mean coherence of 0.7501, but that of a.jsonl is 0.75"),
        ({"mean_coherence": None}, "nor their number, cells and mean coherence"),
        ({"total_valid": None}, "nor their number, cells and mean coherence"),
    ],
)
def test_an_old_manifest_that_does_not_agree_or_cannot_be_told_is_left_out(
    file: Path, change: dict[str, Any], said: str
) -> None:
    manifest_path(file).write_text(json.dumps(OLD | change))
    data = load_dataset(file, cache_dir=None)
    assert data.ceiling == Ceiling()
    (notice,) = data.notices
    assert said in notice
    assert notice.endswith("it is not used")


def test_an_old_manifest_of_data_without_scores_is_left_out(tmp_path: Path, records: Records, write: Write) -> None:
    made = records(3)
    del made[1]["coherence_score"]
    file = write(tmp_path / "a.jsonl", made)
    manifest_path(file).write_text(json.dumps(OLD))
    data = load_dataset(file, cache_dir=None)
    assert data.ceiling == Ceiling()
    assert "a.jsonl no coherence scores" in data.notices[0]


def test_a_manifest_of_another_file_is_left_out_and_told(file: Path) -> None:
    manifest_path(file).write_text(json.dumps({"total_valid": 4, "irreducible_loss": LOSS}))
    data = load_dataset(file, cache_dir=None)
    assert data.ceiling == Ceiling()
    assert "speaks of 4 examples, but a.jsonl holds 3" in data.notices[0]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_broken_manifest_is_refused(file: Path, content: bytes) -> None:
    manifest_path(file).write_bytes(content)
    with pytest.raises(StorytellerError, match=r"a\.manifest\.json: not a manifest"):
        load_dataset(file, cache_dir=None)


@pytest.mark.parametrize("manifest", [{"irreducible_loss": 3}, {"best_accuracy": {"action.type": "high"}}])
def test_a_manifest_of_another_form_is_refused(file: Path, manifest: dict[str, Any]) -> None:
    manifest_path(file).write_text(json.dumps(manifest))
    with pytest.raises(StorytellerError, match=r"a\.manifest\.json: Expected"):
        load_dataset(file, cache_dir=None)
