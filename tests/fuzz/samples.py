"""Small runs of both kinds and their exports, which the fuzzers spoil copies of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

# Forks of this process inherit no pool of threads.
os.environ |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def write_character_data(folder: Path) -> Path:
    """240 examples."""
    from character_data import make_records, write_jsonl

    return write_jsonl(folder / "character.jsonl", make_records(240))


def write_event_data(folder: Path) -> Path:
    """96 sentences."""
    from storyteller_trainer.sample.events.generate import generate, write_examples

    write_examples(folder / "events.jsonl", generate(per_kind=12, seed=1).examples)
    return folder / "events.jsonl"


@contextmanager
def stopped(trainer: type[Any], after: int | None) -> Iterator[None]:
    """Ctrl-C comes when so many epochs are complete."""
    from storyteller_trainer.runs.loop import Interrupted

    original = trainer.run_epoch

    def run_epoch(self: Any, step: Any) -> Any:
        if self.train_state.epoch == after:
            raise KeyboardInterrupt
        return original(self, step)

    with patch.object(trainer, "run_epoch", run_epoch), suppress(Interrupted):
        yield


def train_character(folder: Path, *, resume: bool = False, epochs: int = 1, stop_after: int | None = None) -> Path:
    """A run on the data in the folder."""
    import torch
    from storyteller_trainer.character.data.dataset import load_dataset
    from storyteller_trainer.character.training.run import train_character_model
    from storyteller_trainer.character.training.train import Trainer

    data = load_dataset(folder / "character.jsonl", cache_dir=None)
    run, cpu, options = folder / "character", torch.device("cpu"), {"epochs": epochs}
    with stopped(Trainer, stop_after):
        train_character_model(data, run, cpu, options=options, resume=resume, threads=1)
    return run


def train_events(
    folder: Path,
    *,
    tasks: tuple[str, ...] = ("event", "ner"),
    resume: bool = False,
    epochs: int = 1,
    stop_after: int | None = None,
) -> Path:
    """A folder of runs on the data in the folder, with a tiny encoder."""
    import torch
    from storyteller_trainer.events.data.dataset import load_events
    from storyteller_trainer.events.model.classifiers import Task
    from storyteller_trainer.events.training.run import Request, train_classifier
    from storyteller_trainer.events.training.train import Trainer
    from tiny_encoders import save_tiny_encoder

    encoder = folder / "encoder"
    if not encoder.exists():
        save_tiny_encoder(encoder, "bert")
    data = load_events(folder / "events.jsonl")
    for task in tasks:
        options = {"epochs": epochs, "batch_size": 16}
        place = folder / "events" / task
        request = Request(
            task=Task(task), folder=place, encoder=str(encoder), options=options, resume=resume, threads=1
        )
        with stopped(Trainer, stop_after):
            train_classifier(data, request, torch.device("cpu"))
    return folder / "events"


def export_character(folder: Path) -> Path:
    """The file of the character run."""
    from storyteller_exporter.export.character import export_character

    file = models_of(folder) / "character_predictor.onnx"
    export_character(folder / "character", file)
    return file


def export_events(folder: Path) -> Path:
    """The folder of the event runs."""
    from storyteller_exporter.export.events import export_events

    target = models_of(folder) / "event_classifier"
    export_events(folder / "events", target)
    return target


def models_of(folder: Path) -> Path:
    """Where exports go."""
    (folder / "models").mkdir(exist_ok=True)
    return folder / "models"
