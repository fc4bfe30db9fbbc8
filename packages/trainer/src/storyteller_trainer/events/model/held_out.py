"""The sentences that a run was not trained on, found again after the training."""

from __future__ import annotations

from pathlib import Path

from storyteller_schema.common.errors import StorytellerError

from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.split import HELD_OUT, split
from storyteller_trainer.events.model.checkpoint import EventCheckpoint
from storyteller_trainer.reading.jsonl import DataGoneError, sha256

#: The held-out part whose sentences are like those of the training.
PART = "random"


def sentences_of_run(source: EventCheckpoint) -> tuple[list[EventExample], str]:
    """The random held-out set that a run keeps in its folder, and where it comes from, for people.

    Raises:
        DataGoneError: it is not there with the content that the run gave it.
    """
    path = source.folder / HELD_OUT[PART]
    if not path.is_file():
        raise DataGoneError(f"the run's held-out sentences {path} are not there any more")
    try:
        found = sha256(path)
    except StorytellerError as error:
        raise DataGoneError(f"the run's held-out sentences cannot be read ({error})") from error
    if found != source.metadata.held_out.get(PART):
        raise DataGoneError(f"the run's held-out sentences {path} have changed, or are another run's")
    examples = load_events(path).examples
    return examples, f"{path}: {len(examples):,} sentences, held out from the run"


def sentences_at(path: Path, source: EventCheckpoint | None) -> tuple[list[EventExample], str]:
    """The sentences of a file that the user names, and what they are, for people.

    Of the file that the run was trained on, those are taken that it held out.

    Raises:
        StorytellerError: there is no such file, nothing in it, or something wrong in it; or it is one of several files
            that the run was trained on, of which the held-out part cannot be told from this one alone.
    """
    data = load_events(path)
    total = len(data.examples)
    if source is not None and len(source.metadata.file_hashes) > 1 and data.content_hash in source.metadata.file_hashes:
        raise StorytellerError(
            f"{path}: the run was trained on this file and others together; leave the data out, and what the run held "
            "out is taken"
        )
    if source is None or source.metadata.data_hash != data.content_hash:
        return data.examples, f"{path}: {total:,} sentences, not the run's data"
    parts = split(data.examples, source.metadata.split, source.metadata.seed)
    return parts.random, f"{path}: {len(parts.random):,} of {total:,} sentences, held out from the run"
