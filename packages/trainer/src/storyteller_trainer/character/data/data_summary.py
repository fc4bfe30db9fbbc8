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
    #: Validation examples whose features are in training too, under another cell, whatever their labels.
    shared_examples: int = 0

    def warning(self) -> str | None:
        """A line for the user where what was held out is trained on as well."""
        if not self.shared_examples:
            return None
        share = self.shared_examples / self.validation_examples
        return (
            f"{self.shared_examples:,} of {self.validation_examples:,} held-out examples ({share:.1%}) have the "
            f"features of a training example of another cell: scores will be too good; remove repetitions"
        )
