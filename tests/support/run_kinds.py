"""Both kinds of training behind one face, for tests of what every run promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.training import run as character_run
from storyteller_trainer.character.training import train as character_train
from storyteller_trainer.character.training.run_folder import LastMetadata
from storyteller_trainer.events.data.dataset import EventDataset
from storyteller_trainer.events.model.checkpoint import load_event_checkpoint
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.training import run as events_run
from storyteller_trainer.events.training import train as events_train
from storyteller_trainer.events.training.run_folder import RunState
from storyteller_trainer.runs.run_files import BEST, HISTORY, LAST
from storyteller_trainer.runs.tensor_file import read_metadata, read_tensors, save_tensors

CPU = torch.device("cpu")


class Killed(BaseException):
    """Stands in for SIGKILL: nothing in the code under test catches it."""


@dataclass(frozen=True, kw_only=True)
class RunKind:
    """How a kind of model is trained in a test; an epoch has a few steps."""

    name: str
    trainer: type[Any]
    #: The trainer's method that takes a step.
    step: str

    last_kind: type[Any]
    #: Of a complete run.
    files: set[str]

    begin: Callable[..., Any]
    #: Reads the best checkpoint of a run folder.
    load: Callable[[Path], Any]

    options: dict[str, Any] = field(default_factory=dict)

    def train(self, folder: str, *, resume: bool = False, **more: Any) -> Any:
        """Trains into a folder.

        Args:
            more: `threads`, `notify`; anything else is a value of the recipe.
        """
        about = {name: more.pop(name) for name in ("threads", "notify") if name in more}
        return self.begin(Path(folder), {} if resume and not more else self.options | more, resume, **about)

    def last(self, folder: str) -> Any:
        """What `last` says."""
        return read_metadata(Path(folder) / LAST, self.last_kind)

    def results(self, folder: str) -> tuple[bytes, bytes, dict[str, bytes]]:
        """What a run must always come to, to the bit: the best model, the history, the tensors to go on with."""
        tensors = read_tensors(Path(folder) / LAST, self.last_kind)[0]
        state = {name: tensor.numpy().tobytes() for name, tensor in sorted(tensors.items())}
        best, history = ((Path(folder) / name).read_bytes() for name in (BEST, HISTORY))
        return best, history, state

    def at_step(self, patch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
        """Calls `act` before every step, with its number, from 1 over all epochs."""
        original, count = getattr(self.trainer, self.step), [0]

        def step(*args: Any) -> Any:
            count[0] += 1
            act(count[0])
            return original(*args)

        patch.setattr(self.trainer, self.step, step)


def character_kind(data: CharacterDataset, preset: str) -> RunKind:
    """The character model by one of its recipes."""

    def begin(folder: Path, options: dict[str, Any], resume: bool, **about: Any) -> Any:
        return character_run.train_character_model(
            data, folder, CPU, preset=preset if options else None, options=options, resume=resume, **about
        )

    return RunKind(
        name=preset,
        trainer=character_train.Trainer,
        step="train_step",
        last_kind=LastMetadata,
        files={"best.safetensors", "history.jsonl", "last.safetensors", "run.json"},
        begin=begin,
        load=load_checkpoint,
        options={"epochs": 3, "batch_size": 64},
    )


def event_kind(data: EventDataset, encoder: str) -> RunKind:
    """The entity classifier on a small encoder."""

    def begin(folder: Path, options: dict[str, Any], resume: bool, *, threads: int | None = None, **about: Any) -> Any:
        request = events_run.Request(
            task=Task.NER, folder=folder, encoder=encoder, options=options, resume=resume, threads=threads
        )
        return events_run.train_classifier(data, request, CPU, **about)

    held_out = {"held_out_random.jsonl", "held_out_skeletons.jsonl"}
    return RunKind(
        name="events",
        trainer=events_train.Trainer,
        step="step",
        last_kind=RunState,
        files={"best.safetensors", "history.jsonl", "last.safetensors", "run.json"}
        | {"config.json", "tokenizer.json"}
        | held_out,
        begin=begin,
        load=load_event_checkpoint,
        options={"epochs": 3, "batch_size": 16, "learning_rate": 3e-3},
    )


def without(metadata: Any, *names: str) -> msgspec.Struct:
    """Metadata as an earlier version wrote it, without some of its keys."""
    known = {name: value for name, value in msgspec.to_builtins(metadata).items() if name not in names}
    former = msgspec.defstruct("Former", [(name, Any) for name in known])
    return former(**known)


def spoil(path: Path, kind: type[Any], how: str) -> str:
    """Spoils the weights of a checkpoint file; returns what is to be said about it, as a pattern.

    Args:
        how: `flipped bit`, `nan`, or `bf16`; all but the first with a checksum that is right.
    """
    if how == "flipped bit":
        content = bytearray(path.read_bytes())
        content[-1000] ^= 4
        path.write_bytes(content)
        return f"{path.name}: damaged or changed since it was written"
    tensors, metadata = read_tensors(path, kind)
    name = next(name for name, tensor in tensors.items() if name.endswith("weight") and tensor.dim() == 2)
    if how == "nan":
        tensors[name][0, 0] = float("nan")
        told = rf"1 of \d+ values of {name} are not finite numbers"
    else:
        tensors[name] = tensors[name].to(torch.bfloat16)
        told = f"{name} holds bfloat16, and the network has float32 there"
    save_tensors(path, tensors, metadata)
    return f"{path.name}: {told}"


#: What `spoil` does.
SPOILT = ("flipped bit", "nan", "bf16")
