"""The data of a run is found again, if it is what the run was trained on, and divided as the run divided it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.character.data.shards import load_shards
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.model.checkpoint import Checkpoint, CheckpointMetadata, load_checkpoint
from storyteller_trainer.character.model.held_out import DividedData, data_at, data_of_run
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.reading.jsonl import DataGoneError
from storyteller_trainer.runs.tensor_file import read_tensors, save_tensors

SEED = 7


def train(*places: Path) -> Checkpoint:
    """A run in the folder `run`."""
    data = load_shards(find_shards(places), cache_dir=None)
    train_character_model(data, Path("run"), torch.device("cpu"), options={"epochs": 1, "seed": SEED})
    return load_checkpoint(Path("run"))


@pytest.fixture
def copy(small_jsonl: Path) -> Path:
    """A file of 240 examples that a test may change."""
    path = Path("data.jsonl")
    path.write_bytes(small_jsonl.read_bytes())
    return path


def test_a_run_is_judged_on_the_examples_that_it_held_out(copy: Path) -> None:
    source = train(copy)
    found = data_of_run(source, cache_dir=None)
    expected = split_by_cell(found.data.cells, found.data.cell_names, 0.2, SEED)
    np.testing.assert_array_equal(found.held_out, expected.validation)
    np.testing.assert_array_equal(found.training, expected.train)
    assert not {*found.data.cells[found.held_out]} & {*found.data.cells[found.training]}
    assert found.describe() == f"{copy.resolve()}: 60 of 240 examples, held out from the run"


def test_it_does_not_matter_where_the_command_is_started(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(copy)
    source = load_checkpoint(tmp_path / "run" / "best.safetensors")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(data_of_run(source, cache_dir=None).held_out) == 60
    assert [*Path().iterdir()] == [], "nothing is written there"


def test_several_files_are_found_again(copy: Path) -> None:
    lines = copy.read_bytes().splitlines(keepends=True)
    Path("a.jsonl").write_bytes(b"".join(lines[:100]))
    Path("b.jsonl.gz").write_bytes(gzip.compress(b"".join(lines[100:])))
    source = train(Path("b.jsonl.gz"), Path("a.jsonl"))
    told = json.loads(Path("run/run.json").read_text())["data"]["files"]
    assert {Path(file["path"]).name for file in told} == {"a.jsonl", "b.jsonl.gz"}
    assert all(Path(file["path"]).is_absolute() for file in told)
    found = data_of_run(source, cache_dir=None)
    assert (len(found.data), len(found.held_out)) == (240, 60)
    Path("a.jsonl").unlink()
    with pytest.raises(DataGoneError, match=r"the run's data .*a\.jsonl is not there any more"):
        data_of_run(source, cache_dir=None)


@pytest.mark.parametrize("cache", [None, Path("cache")])
def test_a_changed_file_is_not_taken_for_the_runs_data(copy: Path, cache: Path | None) -> None:
    source = train(copy)
    data_of_run(source, cache)
    copy.write_bytes(copy.read_bytes() + b"\n")
    with pytest.raises(DataGoneError, match=r"the run's data .*data\.jsonl has changed"):
        data_of_run(source, cache)


def test_a_folder_in_the_place_of_the_file(copy: Path) -> None:
    source = train(copy)
    copy.unlink()
    copy.mkdir()
    with pytest.raises(DataGoneError, match="not there any more"):
        data_of_run(source, cache_dir=None)


def _no_summary(path: Path) -> None:
    path.unlink()


def _broken(path: Path) -> None:
    path.write_text("{")


def _of_an_older_version(path: Path) -> None:
    content = json.loads(path.read_text())
    del content["data"]["files"]
    path.write_text(json.dumps(content))


def _of_another_run(path: Path) -> None:
    content = json.loads(path.read_text())
    content["data"]["hash"] = "0" * 64
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_no_summary, "no run/run.json says what the run was trained on"),
        (_broken, "no run/run.json says what the run was trained on"),
        (_of_an_older_version, r"run/run\.json does not say what best\.safetensors was trained on"),
        (_of_another_run, r"run/run\.json does not say what best\.safetensors was trained on"),
    ],
)
def test_a_run_that_does_not_say_its_data(copy: Path, edit: Callable[[Path], None], message: str) -> None:
    source = train(copy)
    edit(Path("run/run.json"))
    with pytest.raises(DataGoneError, match=message):
        data_of_run(source, cache_dir=None)


def test_the_users_word_is_taken_and_the_runs_own_rows_are_left_out(
    copy: Path, records: Callable[..., list[dict[str, object]]], write: Callable[..., Path]
) -> None:
    source = train(copy)
    moved = copy.rename("moved.jsonl")
    own = data_at(moved, source, cache_dir=None)
    assert (len(own.training), len(own.held_out)) == (180, 60)
    other = data_at(write(Path("other.jsonl"), records(40, seed=3)), source, cache_dir=None)
    assert (len(other.training), len(other.held_out)) == (0, 40)
    assert other.describe() == "other.jsonl: 40 examples, not the run's data"
    assert len(data_at(Path("other.jsonl"), None, cache_dir=None).held_out) == 40


def test_many_files_are_not_all_named(copy: Path) -> None:
    data = load_shards([copy], cache_dir=None)
    several = DividedData(replace(data, files=data.files * 3, path=Path("folder")), None)
    assert several.describe() == "folder: 240 examples, not the run's data"
    assert data.describe() == "Data: data.jsonl (240 examples)"
    many = replace(data, files=tuple(msgspec.structs.replace(data.files[0], path=f"{n}.jsonl") for n in range(7)))
    named = "0.jsonl, 1.jsonl, 2.jsonl, 3.jsonl, 4.jsonl"
    assert many.describe() == f"Data: 7 files: {named} and 2 more (240 examples)"


def test_a_checkpoint_that_does_not_say_its_recipe_or_does_not_fit_the_network_is_refused(copy: Path) -> None:
    best = train(copy).path
    tensors, metadata = read_tensors(best, CheckpointMetadata)
    save_tensors(best, tensors, msgspec.structs.replace(metadata, config={}))
    with pytest.raises(StorytellerError, match="does not say 'val_fraction' of its recipe; train anew"):
        data_of_run(load_checkpoint(best), cache_dir=None)
    tensors.popitem()
    save_tensors(best, tensors, metadata)
    with pytest.raises(StorytellerError, match="its weights do not fit the network"):
        load_checkpoint(best)
