"""A training run on disk: what is written when, so that it can be killed at any moment and resumed.

Before the first epoch: `last.safetensors`. After every epoch: `best.safetensors` if the epoch was the best, then
`last`, then `history.jsonl`, which is written whole from what `last` knows, then `run.json`. Each file is renamed into
place, so `last` never speaks of an epoch whose best is missing, and what comes after it can be made from it. A run that
was killed goes on from `last`: epochs that it does not know are run again, on the CPU with the same result to the bit.

A new run in the folder of an old one leaves the old files in place, but for `last`, until its own first epoch is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import sweep_all, write_atomic
from torch import Tensor

from storyteller_trainer.runs.history import HistoryRow
from storyteller_trainer.runs.run_facts import RunFacts
from storyteller_trainer.runs.run_files import BEST, HISTORY, LAST, SUMMARY
from storyteller_trainer.runs.tensor_file import (
    read_tensors,
    require_dtypes,
    save_tensors,
    tensor_bytes,
    write_tensor_bytes,
)
from storyteller_trainer.runs.trainer import Epoch, Trainer

E = TypeVar("E", bound=Epoch)
L = TypeVar("L", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)
#: Has some work done by the process that writes, of one or of several (distributed.on_leader).
Leader: TypeAlias = Callable[[Callable[[], object]], None]


class RunFolder(ABC, Generic[E, L]):
    """A trainer and the folder in which it leaves its results; of several processes only the leader writes there.

    What the files hold is up to the kind of run (E: its epochs, L: what its `last` says); when they are written is not.
    """

    #: What `last` says.
    last_kind: type[L]

    def __init__(self, path: Path, trainer: Trainer[Any, E]) -> None:
        self.path = path
        self._trainer = trainer
        #: How the run came about, for `run.json`, beside what came out of it; set by whoever knows it.
        self.facts: RunFacts | None = None
        #: Called by the process that writes, once the first epoch is on disk.
        self.on_first_epoch: Callable[[], None] = lambda: None

    @abstractmethod
    def best_metadata(self, epoch: E) -> msgspec.Struct:
        """What `best` is to say of an epoch's weights."""

    @abstractmethod
    def last_metadata(self) -> L:
        """What `last` is to say now."""

    @abstractmethod
    def restore(self, tensors: dict[str, Tensor], saved: L) -> None:
        """Takes over what `last` holds.

        Raises:
            KeyError, RuntimeError: a tensor is missing or does not fit.
        """

    @abstractmethod
    def history(self) -> Sequence[HistoryRow]:
        """A row for every epoch so far."""

    @abstractmethod
    def summary(self) -> msgspec.Struct:
        """What `run.json` is to say now."""

    @abstractmethod
    def figures(self, epoch: E) -> str:
        """An epoch in one line, for progress.py."""

    def start(
        self,
        *,
        going_on: bool,
        resume: bool,
        notify: Callable[[str], None],
        leader: Callable[[Callable[[], Any]], None],
    ) -> None:
        """Goes on from `last`, or begins, and says so.

        Args:
            going_on: there is a `last` to go on with; resume: the user wants to go on.
            notify: called with a line for the user.
        """
        if going_on:
            leader(self.read_last)
            notify(f"Going on with {self.path} after epoch {self._trainer.train_state.epoch}")
            return
        if resume:
            notify(f"{self.path} holds no run to go on with: beginning one")
        elif (self.path / BEST).exists():
            notify(f"{self.path} holds an earlier run: its best stays until the first epoch of this one is done")
        leader(self.begin)

    def begin(self) -> None:
        """Writes the state before the first epoch, with which even a run killed in that epoch can go on."""
        sweep_all(self.path)
        self._save_last()
        if self.facts is not None and not (self.path / BEST).exists():
            began = {"finished": False, "epochs": 0, **msgspec.structs.asdict(self.facts)}
            write_atomic(self.path / SUMMARY, _json(began))

    def read_last(self) -> None:
        """Takes over what `last` holds, and makes the history what it knows.

        Raises:
            StorytellerError: the file is damaged, or its tensors do not fit the network.
        """
        sweep_all(self.path)
        path = self.path / LAST
        tensors, saved = read_tensors(path, self.last_kind)
        require_dtypes(path, tensors, self._trainer.state())
        try:
            self.restore(tensors, saved)
        except (KeyError, RuntimeError) as error:
            raise StorytellerError(f"{path}: its tensors do not fit the network ({error}); train anew") from error
        write_atomic(self.path / HISTORY, self._history_lines())
        self.facts = self._earlier_facts() or self.facts

    def _earlier_facts(self) -> RunFacts | None:
        """Of the run that is gone on with; None where `run.json` does not say them."""
        try:
            return msgspec.json.decode((self.path / SUMMARY).read_bytes(), type=RunFacts)
        except (OSError, msgspec.DecodeError):
            return None

    def prepare(self, epoch: E) -> Callable[[], None]:
        """What is to be written after an epoch, as things stand now; the result writes it."""
        tensors: list[tuple[str, bytearray]] = []
        if self._trainer.train_state.best_epoch == epoch.number:
            tensors.append((BEST, tensor_bytes(self._trainer.model.state_dict(), self.best_metadata(epoch))))
        tensors.append((LAST, tensor_bytes(self._trainer.state(), self.last_metadata())))
        notes = [(HISTORY, self._history_lines()), (SUMMARY, self._with_facts(self.summary()))]

        def write() -> None:
            for name, content in tensors:
                write_tensor_bytes(self.path / name, content)
            for name, lines in notes:
                write_atomic(self.path / name, lines)
            if epoch.number == 1:
                self.on_first_epoch()

        return write

    def write_summary(self, summary: R) -> R:
        """Writes `run.json`, and returns what it says."""
        write_atomic(self.path / SUMMARY, self._with_facts(summary))
        return summary

    def _with_facts(self, summary: msgspec.Struct) -> bytes:
        facts = {} if self.facts is None else msgspec.structs.asdict(self.facts)
        return _json(facts | msgspec.to_builtins(summary))

    def _save_last(self) -> None:
        save_tensors(self.path / LAST, self._trainer.state(), self.last_metadata())

    def _history_lines(self) -> bytes:
        return msgspec.json.Encoder().encode_lines(self.history())


def _json(content: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"
