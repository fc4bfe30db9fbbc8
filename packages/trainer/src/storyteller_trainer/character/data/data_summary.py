"""What `run.json` says about the training data."""

from __future__ import annotations

import msgspec

from storyteller_trainer.character.data.dataset import DataFile


class DataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The training data and how it was divided."""

    #: The file, or the folder of the files.
    file: str
    #: SHA-256, hex, of the file; of several, as shards.py forms it.
    hash: str
    #: Every file by its absolute path, so that the held-out examples can be found again (held_out.py).
    files: tuple[DataFile, ...] = ()
    examples: int
    cells: int
    duplicates: int
    train_examples: int
    validation_examples: int
