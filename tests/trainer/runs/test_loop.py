"""Ctrl-C in a run of either kind, and who writes when there are several processes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from rich.console import Console
from run_kinds import RunKind
from storyteller_schema.common import files
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.runs.loop import Interrupted, run_epochs
from storyteller_trainer.runs.progress import EpochProgress


def test_ctrl_c_stops_after_the_step_and_loses_no_complete_epoch(kind: RunKind) -> None:
    kind.train("whole")
    steps: list[tuple[int, int]] = []

    def press(self: EpochProgress, done: int, of: int) -> None:
        steps.append((done, of))
        if len(steps) == of + 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochProgress, "step", press)
        with pytest.raises(Interrupted, match=r"^stopped by Ctrl-C during epoch 2$") as caught:
            kind.train("run")
    assert caught.value.epochs == kind.last("run").train_state.epoch == 1
    of = steps[0][1]
    assert steps == [(step, of) for step in [*range(1, of + 1), 1, 2]], (
        "the step under way was finished, no other begun"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    kind.train("run", resume=True)
    assert kind.results("run") == kind.results("whole")


@pytest.mark.parametrize("at", [3, 5])
def test_ctrl_c_while_files_are_written_does_not_tear_them(kind: RunKind, at: int) -> None:
    kind.train("whole")
    count = 0
    original = files.write_atomic

    def press(*args: Any) -> None:
        nonlocal count
        count += 1
        if count == at:
            signal.raise_signal(signal.SIGINT)
        original(*args)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("runs.folder", "runs.tensor_file", "events.model.checkpoint", "events.training.run_folder"):
            patch.setattr(f"storyteller_trainer.{module}.write_atomic", press)
        with pytest.raises(Interrupted) as caught:
            kind.train("run")
    # The files of an epoch are written while the next one trains, which may be over before Ctrl-C is noticed.
    assert caught.value.epochs == kind.last("run").train_state.epoch
    assert caught.value.epochs in (1, 2)
    kind.train("run", resume=True)
    assert kind.results("run") == kind.results("whole")


def test_a_second_ctrl_c_stops_at_once(kind: RunKind, monkeypatch: pytest.MonkeyPatch) -> None:
    def press_twice(number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one did not stop")

    kind.at_step(monkeypatch, press_twice)
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        kind.train("run")


# --- with a trainer that trains nothing -------------------------------------------------------------------------------


class Epoch(NamedTuple):
    number: int


class State(NamedTuple):
    epoch: int


class Counting:
    """Takes two steps an epoch."""

    def __init__(self, epochs: int) -> None:
        self.train_state, self._epochs = State(0), epochs

    def should_stop(self) -> bool:
        return self.train_state.epoch == self._epochs

    def run_epoch(self, after_step: Callable[[int, int], None]) -> Epoch:
        for step in (1, 2):
            after_step(step, 2)
        self.train_state = State(self.train_state.epoch + 1)
        return Epoch(self.train_state.epoch)


class Noting:
    """A folder that keeps what it is told."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def prepare(self, epoch: Epoch) -> Callable[[], None]:
        return lambda: self.epochs.append(epoch.number)

    def figures(self, epoch: Epoch) -> str:
        return f"epoch {epoch.number}"


@pytest.mark.parametrize("leads", [True, False])
def test_only_the_leader_writes_and_all_go_on(leads: bool) -> None:
    trainer: Any = Counting(3)
    folder: Any = Noting()
    asked: list[Callable[[], object]] = []

    def leader(work: Callable[[], object]) -> None:
        asked.append(work)
        if leads:
            work()

    run_epochs(trainer, folder, EpochProgress(3, 0, Console(quiet=True)), leader)
    assert len(asked) == 4, "one for each epoch, and one that waits for the last files"
    assert folder.epochs == ([1, 2, 3] if leads else [])
    assert trainer.should_stop()


@pytest.mark.parametrize("epochs", [1, 50])
def test_files_that_cannot_be_written_end_the_run(epochs: int) -> None:
    class Full(Noting):
        def prepare(self, epoch: Epoch) -> Callable[[], None]:
            def write() -> None:
                raise StorytellerError("run/last.safetensors: no space left")

            return write

    def leader(work: Callable[[], object]) -> None:
        work()

    trainer: Any = Counting(epochs)
    folder: Any = Full()
    console = Console(record=True, quiet=True)
    with pytest.raises(StorytellerError, match="no space left"):
        run_epochs(trainer, folder, EpochProgress(epochs, 0, console), leader)
    assert trainer.train_state.epoch <= 2, "it is noticed before another epoch is over"
    assert console.export_text() == "", "no figures are shown of an epoch that is not kept"
