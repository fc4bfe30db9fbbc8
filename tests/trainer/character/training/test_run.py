"""A run on disk: its files, and that it can be cut off anywhere and resumed to the same bits."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_trainer.character.data.batches import Batch
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.model.checkpoint import CheckpointMetadata, load_checkpoint
from storyteller_trainer.character.training import run
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.character.training.run import Interrupted, train_character_model
from storyteller_trainer.character.training.summary import RunSummary
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.runs import threads
from storyteller_trainer.runs.claim import claimed
from storyteller_trainer.runs.cpus import Look
from storyteller_trainer.runs.folder import BEST, LAST
from storyteller_trainer.runs.progress import EpochProgress
from storyteller_trainer.runs.tensor_file import read_metadata, read_tensors, save_tensors

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
    return read_tensors(Path(folder) / "last.safetensors", run.LastMetadata)[0]


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


class Killed(BaseException):
    """Stands in for SIGKILL: nothing in the code under test catches it."""


def writes(monkeypatch: pytest.MonkeyPatch, before: Callable[[int], None]) -> list[int]:
    """Calls `before` with the number of each write of a file, from 0; returns their count as a list of one."""
    count = [0]
    for name in ("save_tensors", "write_atomic", "_row"):
        original = getattr(run, name)

        def counted(*args: Any, original: Any = original, **kwargs: Any) -> Any:
            before(count[0])
            count[0] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(run, name, counted)
    return count


@pytest.mark.parametrize("preset", RECIPES)
def test_cut_off_before_any_write_and_resumed(
    data: CharacterDataset, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    train(data, "whole", preset=preset, epochs=2)
    with monkeypatch.context() as patch:
        count = writes(patch, lambda number: None)
        train(data, "counted", preset=preset, epochs=2)
    total = count[0]
    assert total >= 2 + 2 * 3

    for cut in range(total):

        def kill(number: int, cut: int = cut) -> None:
            if number == cut:
                raise Killed

        folder = f"cut_{cut}"
        with monkeypatch.context() as patch:
            writes(patch, kill)
            with pytest.raises(Killed):
                train(data, folder, preset=preset, epochs=2)
        summary = train(data, folder, preset=preset, resume=True, epochs=2)
        assert summary.finished
        assert results(folder) == results("whole"), f"cut before write {cut}"
        assert same_state(folder, "whole")


def test_what_a_killed_run_left_half_written_is_removed(data: CharacterDataset) -> None:
    train(data, epochs=1)
    for resume in (True, False):
        Path("run/.last.safetensors.abc123").write_text("half")
        train(data, resume=resume, epochs=1)
        assert len(list(Path("run").iterdir())) == 4


def test_cut_off_within_an_epoch_and_within_a_line_of_the_history(
    data: CharacterDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(data, "whole")
    steps = [0]
    train_step = Trainer.train_step

    def dying_step(self: Trainer, batch: Batch, step: int) -> torch.Tensor:
        steps[0] += 1
        if steps[0] == 5:
            raise Killed
        return train_step(self, batch, step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", dying_step)
        with pytest.raises(Killed):
            train(data)
    with Path("run/history.jsonl").open("a") as history:
        history.write('{"epoch": 2, "learn')
    train(data, resume=True)
    assert results() == results("whole")


def test_a_history_of_an_earlier_version_goes_on_with_the_keys_of_today(data: CharacterDataset) -> None:
    train(data, epochs=2)
    history = Path("run/history.jsonl")
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    assert rows[0]["scores"].keys() > {"action.type", "speech.occurs"}
    renamed = [json.dumps({("accuracy" if key == "scores" else key): row[key] for key in row}) for row in rows]
    history.write_text("".join(line.replace(": ", ":") + "\n" for line in renamed))
    train(data, resume=True, epochs=3)
    rows += [json.loads(line) for line in history.read_text().splitlines()][2:]
    assert [json.loads(line) for line in history.read_text().splitlines()] == rows
    assert {tuple(row) for row in rows} == {run.CharacterRow.__struct_fields__}


def test_a_finished_run_can_be_extended(data: CharacterDataset) -> None:
    train(data, "whole", epochs=5)
    train(data, epochs=2)
    train(data, resume=True, epochs=5)
    # The recipe stands in the metadata of a checkpoint, so a best from before the extension tells of 2 epochs.
    assert results()["history.jsonl"] == results("whole")["history.jsonl"]
    assert same_state("run", "whole")


def test_a_schedule_that_is_laid_out_over_all_epochs_cannot_be_extended(data: CharacterDataset) -> None:
    train(data, preset="default", epochs=2)
    with pytest.raises(StorytellerError, match=r"a resumed run keeps its recipe.*epochs 2 -> 5"):
        train(data, preset="default", resume=True, epochs=5)


def test_resuming_a_finished_run_only_reports(data: CharacterDataset) -> None:
    first = train(data)
    before = results()
    assert train(data, resume=True) == first
    assert results() == before


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
    with pytest.raises(StorytellerError, match=f"a resumed run keeps its recipe, but these values differ: {message};"):
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
        patch.setattr(run, "fingerprint", lambda: "0" * 64)
        train(data, epochs=1)
    with pytest.raises(StorytellerError, match=f"{'0' * 64}.*{fingerprint()}"):
        train(data, resume=True)


def test_a_recipe_of_another_version_is_refused(data: CharacterDataset) -> None:
    train(data, epochs=1)
    path = Path("run/last.safetensors")
    tensors, metadata = read_tensors(path, run.LastMetadata)
    metadata.config["momentum"] = 0.9
    save_tensors(path, tensors, metadata)
    with pytest.raises(StorytellerError, match=r"another version of the trainer .*momentum"):
        train(data, resume=True)


def test_a_damaged_state_is_refused(data: CharacterDataset) -> None:
    train(data, epochs=1)
    path = Path("run/last.safetensors")
    tensors, metadata = read_tensors(path, run.LastMetadata)
    del tensors["training.optimizer.model.trunk.0.weight.first_moment"]
    save_tensors(path, tensors, metadata)
    with pytest.raises(StorytellerError, match="its tensors do not fit the network"):
        train(data, resume=True)


def test_resume_without_a_run_begins_one(data: CharacterDataset) -> None:
    lines: list[str] = []
    summary = train_character_model(data, Path("run"), CPU, options=OPTIONS, resume=True, notify=lines.append)
    assert summary.finished
    assert lines[1:] == ["run holds no run to go on with: beginning one"]


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor has no such mode")
def test_a_run_takes_subnormal_numbers_for_zero(data: CharacterDataset) -> None:
    halves: list[float] = []

    def compute(line: str) -> None:
        halves.append(float(torch.tensor(torch.finfo(torch.float32).tiny) / 2))

    train_character_model(data, Path("run"), CPU, options=OPTIONS, resume=True, notify=compute)
    assert set(halves) == {0.0}


# --- a new run over an old one ----------------------------------------------------------------------------------------


def test_the_old_best_stays_until_the_new_run_has_one(data: CharacterDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    train(data, epochs=2)
    old = results()["best.safetensors"]
    lines: list[str] = []

    def die(self: Trainer, *args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", die)
        with pytest.raises(Killed):
            train_character_model(
                data, Path("run"), CPU, preset="reference", options=OPTIONS | {"seed": 1}, notify=lines.append
            )
    assert lines[1:] == ["run holds an earlier run: its best stays until the first epoch of this one is done"]
    assert results()["best.safetensors"] == old
    assert read_metadata(Path("run/last.safetensors"), run.LastMetadata).epoch == 0
    train(data, resume=True, seed=1)
    train(data, "whole", seed=1)
    assert results() == results("whole")


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_stops_after_the_step_and_loses_no_complete_epoch(
    data: CharacterDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(data, "whole")
    steps: list[int] = []

    def press(self: EpochProgress, done: int, of: int) -> None:
        steps.append(done)
        if len(steps) == 5:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "step", press)
        with pytest.raises(Interrupted, match="stopped by Ctrl-C during epoch 2") as caught:
            train(data)
    assert caught.value.epochs == 1
    assert steps == [1, 2, 3, 1, 2], "the step under way was finished, and no other begun"
    assert read_metadata(Path("run/last.safetensors"), run.LastMetadata).epoch == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(data, resume=True)
    assert results() == results("whole")


def test_ctrl_c_while_files_are_written_does_not_tear_them(
    data: CharacterDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(number: int) -> None:
        if number == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        writes(patch, press)
        with pytest.raises(Interrupted) as caught:
            train(data)
    assert caught.value.epochs == read_metadata(Path("run/last.safetensors"), run.LastMetadata).epoch


def test_a_second_ctrl_c_stops_at_once(data: CharacterDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def press_twice(self: Trainer, *args: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one did not stop")

    monkeypatch.setattr(Trainer, "train_step", press_twice)
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        train(data)


# --- the number of threads --------------------------------------------------------------------------------------------


def told(folder: str = "run") -> set[int]:
    """The numbers of threads that a run's files speak of."""
    metadata = [read_metadata(Path(folder) / name, CheckpointMetadata) for name in (BEST, LAST)]
    return {each.threads for each in metadata} | {json.loads(Path(folder, "run.json").read_text())["threads"]}


def train_by(
    data: CharacterDataset, threads: int | None = None, resume: bool = False, **options: Any
) -> tuple[set[int], str]:
    """Trains; returns the numbers by which steps were computed, and the line about it."""
    lines: list[str] = []
    used: set[int] = set()

    def step(self: Trainer, *args: Any) -> torch.Tensor:
        used.add(torch.get_num_threads())
        return train_step(self, *args)

    train_step = Trainer.train_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", step)
        train_character_model(
            data,
            Path("run"),
            CPU,
            preset="reference",
            options=OPTIONS | options,
            resume=resume,
            threads=threads,
            notify=lines.append,
        )
    (line,) = [line for line in lines if line.startswith("Computing by")]
    return used, line


def test_a_run_computes_by_as_many_threads_as_it_says(data: CharacterDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    assert train_by(data, 3) == ({3}, "Computing by 3 threads, as --threads or OMP_NUM_THREADS says")
    assert told() == {3}
    assert torch.get_num_threads() == before
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(threads, "look_at_cpus", lambda: Look(0.9, 2))
        assert train_by(data)[0] == told() == {1}
        monkeypatch.setattr(threads, "look_at_cpus", lambda: Look(1.9, 2))
        assert train_by(data) == ({2}, "Computing by 2 threads: 1.9 of 2 CPUs are free (--threads N fixes the number)")
        assert told() == {2}
    finally:
        torch.set_num_threads(before)


def test_a_resumed_run_keeps_its_number_of_threads(data: CharacterDataset) -> None:
    train_by(data, 3, epochs=2)
    used, line = train_by(data, resume=True)
    assert (used, told()) == ({3}, {3})
    assert line.startswith("Computing by 3 threads, as the run had so far, for the same result to the bit; a new run")
    used, line = train_by(data, 2, resume=True, epochs=4)
    assert (used, read_metadata(Path("run") / LAST, run.LastMetadata).threads) == ({2}, 2)
    assert line.endswith("so far the run had 3: the result will not be the same")


def test_a_run_of_an_earlier_version_is_resumed_by_as_many_threads_as_pytorch_takes(data: CharacterDataset) -> None:
    train_by(data, 3, epochs=2)
    tensors, metadata = read_tensors(Path("run") / LAST, run.LastMetadata)
    known = msgspec.to_builtins(metadata)
    del known["threads"]
    former = msgspec.defstruct("Former", [(name, Any) for name in known])
    save_tensors(Path("run") / LAST, tensors, former(**known))
    assert train_by(data, resume=True)[0] == {torch.get_num_threads()}


# --- other faults -----------------------------------------------------------------------------------------------------


def test_a_folder_in_which_another_run_is_at_work(data: CharacterDataset) -> None:
    train(data)
    before = results()
    with claimed(Path("run")), pytest.raises(StorytellerError, match=r"^run: another run is at work in this folder"):
        train(data, resume=True, epochs=4)
    with claimed(Path("run")), pytest.raises(StorytellerError, match="another run is at work"):
        train(data, resume=True, batch_size=7)  # nor is it looked at what the folder holds
    assert results() == before
    train(data, resume=True, epochs=4)


def test_a_folder_that_cannot_be_written_to(data: CharacterDataset) -> None:
    Path("run").write_text("a file")
    with pytest.raises(StorytellerError, match="cannot write here"):
        train(data)


def test_a_run_that_diverges_keeps_what_it_had(data: CharacterDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(self: Trainer, batch: Batch, step: int) -> torch.Tensor:
        if self.course.epoch == 1:
            with torch.no_grad():
                self.network.model.get_parameter("trunk.0.bias")[0] = float("nan")
        return train_step(self, batch, step)

    train_step = Trainer.train_step
    monkeypatch.setattr(Trainer, "train_step", poison)
    with pytest.raises(StorytellerError, match="epoch 2, step 1: the loss of head action is nan"):
        train(data)
    assert load_checkpoint(Path("run")).metadata.epoch == 1
