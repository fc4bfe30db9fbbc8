"""A run on disk: its files, and that it can be cut off anywhere and resumed to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from run_kinds import without
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_trainer.character.data.batches import Batch
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.training import run_folder
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.character.training.run_folder import CharacterRow, LastMetadata
from storyteller_trainer.character.training.summary import RunSummary
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.runs.tensor_file import read_tensors, save_tensors

CPU = torch.device("cpu")
#: So small that an epoch is three steps.
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 64}


@pytest.fixture(scope="module")
def data(small_jsonl: Path) -> CharacterDataset:
    return load_dataset(small_jsonl, cache_dir=None)


def train(
    data: CharacterDataset, folder: str = "run", *, preset: str = "reference", resume: bool = False, **options: Any
) -> RunSummary:
    return train_character_model(data, Path(folder), CPU, preset=preset, options=OPTIONS | options, resume=resume)


def results(folder: str = "run") -> dict[str, bytes]:
    """The files of a run that hold no times."""
    return {name: (Path(folder) / name).read_bytes() for name in ("best.safetensors", "history.jsonl")}


def state(folder: str) -> dict[str, torch.Tensor]:
    return read_tensors(Path(folder) / "last.safetensors", LastMetadata)[0]


def same_state(a: str, b: str) -> bool:
    first, second = state(a), state(b)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# --- what a run leaves ------------------------------------------------------------------------------------------------


def test_the_files_of_a_run(data: CharacterDataset) -> None:
    summary = train(data)
    names = ["best.safetensors", "history.jsonl", "last.safetensors", "run.json"]
    assert sorted(file.name for file in Path("run").iterdir()) == names
    rows = [json.loads(line) for line in Path("run/history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    losses = [row["validation"]["total"] for row in rows]
    best = load_checkpoint(Path("run"))
    assert (best.metadata.val_loss, best.metadata.epoch) == (min(losses), losses.index(min(losses)) + 1)
    assert (summary.val_loss, summary.best_epoch, summary.epochs) == (min(losses), best.metadata.epoch, 3)
    assert summary.finished
    assert best.metadata.data_hash == data.content_hash == summary.data.hash
    assert best.metadata.schema_fingerprint == fingerprint()
    assert best.metadata.parameters == 407_210
    assert (summary.data.examples, summary.data.train_examples + summary.data.validation_examples) == (240, 240)
    written = json.loads(Path("run/run.json").read_text())
    assert (written["finished"], written["val_loss"], written["recipe"]["epochs"]) == (True, summary.val_loss, 3)


def test_the_best_weights_give_the_best_loss(data: CharacterDataset) -> None:
    summary = train(data, epochs=2, learning_rate=0.02)
    rows = [json.loads(line) for line in Path("run/history.jsonl").read_text().splitlines()]
    assert rows[-1]["validation"]["total"] > summary.val_loss, "the last epoch is not the best here"
    held = load_checkpoint(Path("run")).metadata
    assert held.head_losses == rows[held.epoch - 1]["validation"]["heads"]


def test_patience_ends_a_run(data: CharacterDataset) -> None:
    summary = train(data, epochs=50, patience=1, min_delta=5.0)
    assert (summary.epochs, summary.finished) == (2, True)


def test_the_same_seed_writes_the_same_bytes(data: CharacterDataset) -> None:
    train(data, "a")
    train(data, "b")
    assert results("a") == results("b")
    train(data, "c", seed=1)
    assert results("a") != results("c")


# --- cut off and resumed ----------------------------------------------------------------------------------------------


def test_a_history_of_an_earlier_version_goes_on_with_the_keys_of_today(data: CharacterDataset) -> None:
    train(data, epochs=2)
    history = Path("run/history.jsonl")
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    assert rows[0]["scores"].keys() > {"action.type", "speech.occurs"}
    renamed = [json.dumps({("accuracy" if key == "scores" else key): row[key] for key in row}) for row in rows]
    history.write_text("".join(line.replace(": ", ":") + "\n" for line in renamed))
    tensors, metadata = read_tensors(Path("run/last.safetensors"), LastMetadata)
    assert [msgspec.to_builtins(row) for row in metadata.history] == rows
    save_tensors(Path("run/last.safetensors"), tensors, without(metadata, "history"))
    train(data, resume=True, epochs=3)
    rows += [json.loads(line) for line in history.read_text().splitlines()][2:]
    assert [json.loads(line) for line in history.read_text().splitlines()] == rows
    assert {tuple(row) for row in rows} == {CharacterRow.__struct_fields__}
    save_tensors(Path("run/last.safetensors"), tensors, without(metadata, "history"))
    history.write_text("oops\n" * 2)
    with pytest.raises(StorytellerError, match=r"history\.jsonl: not the history of a run .*; remove the file"):
        train(data, resume=True, epochs=3)


def test_a_finished_run_can_be_extended(data: CharacterDataset) -> None:
    train(data, "whole", epochs=5)
    train(data, epochs=2)
    train(data, resume=True, epochs=5)
    # The recipe stands in the metadata of a checkpoint, so a best from before the extension tells of 2 epochs.
    assert results()["history.jsonl"] == results("whole")["history.jsonl"]
    assert same_state("run", "whole")


def test_a_schedule_that_is_laid_out_over_all_epochs_cannot_be_extended(data: CharacterDataset) -> None:
    train(data, preset="default", epochs=2)
    with pytest.raises(StorytellerError, match=r"a resumed run keeps its settings.*epochs 2 -> 5"):
        train(data, preset="default", resume=True, epochs=5)


def test_a_resumed_run_keeps_its_recipe(data: CharacterDataset) -> None:
    train(data, epochs=1, dropout=0.1)
    summary = train_character_model(data, Path("run"), CPU, resume=True)
    assert (summary.recipe["dropout"], summary.recipe["epochs"]) == (0.1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 7}, "seed 42 -> 7"),
        ({"learning_rate": 0.01, "dropout": 0.5}, r"learning_rate 0.001 -> 0.01, dropout 0.3 -> 0.5"),
        ({"action_weight": 1.0}, "action_weight 0.35 -> 1.0"),
    ],
)
def test_a_resumed_run_refuses_another_recipe(data: CharacterDataset, options: dict[str, Any], message: str) -> None:
    train(data, epochs=1)
    with pytest.raises(StorytellerError, match=f"a resumed run keeps its settings, but these differ: {message};"):
        train(data, resume=True, **options)


def test_a_resumed_run_refuses_another_preset(data: CharacterDataset) -> None:
    train(data, epochs=1)
    with pytest.raises(StorytellerError, match="batch_size 64 -> 256"):
        train_character_model(data, Path("run"), CPU, preset="reference", resume=True)


def test_a_resumed_run_refuses_other_data(
    data: CharacterDataset, tmp_path: Path, records: Callable[..., Any], write: Callable[..., Path]
) -> None:
    train(data, epochs=1)
    other = load_dataset(write(tmp_path / "other.jsonl", records(240, seed=5)), cache_dir=None)
    with pytest.raises(StorytellerError, match=f"{data.content_hash}, but .*other.jsonl has {other.content_hash}"):
        train(other, resume=True)


def test_a_resumed_run_refuses_another_contract(data: CharacterDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "fingerprint", lambda: "0" * 64)
        train(data, epochs=1)
    with pytest.raises(StorytellerError, match=f"{'0' * 64}.*{fingerprint()}"):
        train(data, resume=True)


def test_a_recipe_of_another_version_is_refused(data: CharacterDataset) -> None:
    train(data, epochs=1)
    path = Path("run/last.safetensors")
    tensors, metadata = read_tensors(path, LastMetadata)
    metadata.config["momentum"] = 0.9
    save_tensors(path, tensors, metadata)
    with pytest.raises(StorytellerError, match=r"another version of the trainer .*momentum"):
        train(data, resume=True)


def test_a_damaged_state_is_refused(data: CharacterDataset) -> None:
    train(data, epochs=1)
    path = Path("run/last.safetensors")
    tensors, metadata = read_tensors(path, LastMetadata)
    del tensors["training.optimizer.model.trunk.0.weight.first_moment"]
    save_tensors(path, tensors, metadata)
    with pytest.raises(StorytellerError, match="its tensors do not fit the network"):
        train(data, resume=True)


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor has no such mode")
def test_a_run_takes_subnormal_numbers_for_zero(data: CharacterDataset) -> None:
    halves: list[float] = []

    def compute(line: str) -> None:
        halves.append(float(torch.tensor(torch.finfo(torch.float32).tiny) / 2))

    train_character_model(data, Path("run"), CPU, options=OPTIONS, resume=True, notify=compute)
    assert set(halves) == {0.0}


# --- other faults -----------------------------------------------------------------------------------------------------


def test_a_run_that_diverges_keeps_what_it_had(data: CharacterDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(self: Trainer, batch: Batch, step: int) -> torch.Tensor:
        if self.train_state.epoch == 1:
            with torch.no_grad():
                self.network.model.get_parameter("trunk.0.bias")[0] = float("nan")
        return train_step(self, batch, step)

    train_step = Trainer.train_step
    monkeypatch.setattr(Trainer, "train_step", poison)
    with pytest.raises(StorytellerError, match="epoch 2, step 1: the loss of head action is nan"):
        train(data)
    assert load_checkpoint(Path("run")).metadata.epoch == 1
