"""The sentences that a run held out are found again, if they are still those."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.split import split
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.model.checkpoint import EventCheckpoint, load_event_checkpoint
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.held_out import sentences_at, sentences_of_run
from storyteller_trainer.events.training.run import Request, train_classifier
from storyteller_trainer.reading.jsonl import DataGoneError

KEPT = Path("run/held_out_random.jsonl")


@pytest.fixture
def source(data_file: Path, tiny_bert: str) -> EventCheckpoint:
    """One epoch, in the folder `run`."""
    request = Request(task=Task.EVENT, folder=Path("run"), encoder=tiny_bert, options={"epochs": 1, "seed": 3})
    train_classifier(load_events(data_file), request, torch.device("cpu"))
    return load_event_checkpoint(Path("run"))


def test_a_run_keeps_its_held_out_sentences(source: EventCheckpoint, data_file: Path) -> None:
    examples, told = sentences_of_run(source)
    assert examples == split(load_events(data_file).examples, Strategy.RANDOM, 3).random
    assert told == f"{KEPT}: {len(examples)} sentences, held out from the run"


def test_changed_or_missing_ones_are_not_taken(source: EventCheckpoint) -> None:
    KEPT.write_bytes(KEPT.read_bytes() + b"\n")
    with pytest.raises(DataGoneError, match="have changed, or are another run's"):
        sentences_of_run(source)
    KEPT.unlink()
    with pytest.raises(DataGoneError, match="are not there any more"):
        sentences_of_run(source)


def test_of_the_training_file_only_what_was_held_out_is_taken(
    source: EventCheckpoint, data_file: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(data_file.read_bytes())
    examples, told = sentences_at(moved, source)
    assert examples == sentences_of_run(source)[0]
    assert told == f"{moved}: {len(examples)} of 96 sentences, held out from the run"
    moved.write_bytes(data_file.read_bytes() + b"\n")
    assert len(sentences_at(moved, source)[0]) == 96
    examples, told = sentences_at(data_file, None)
    assert told == f"{data_file}: 96 sentences, not the run's data"
