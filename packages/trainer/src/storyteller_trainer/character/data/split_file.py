"""The split as a file, for programs that train on the same data and are not this workspace's (rust/burn-character)."""

from __future__ import annotations

from pathlib import Path

import msgspec
from storyteller_schema.common.files import StrPath, write_atomic

from storyteller_trainer.character.data.dataset import CharacterDataset, DataFile
from storyteller_trainer.character.data.split import split_by_cell


class SplitFile(msgspec.Struct, frozen=True, kw_only=True):
    """Which examples a run trains on and which it holds out."""

    #: With absolute paths. Positions count through them in this order, blank lines left out.
    files: tuple[DataFile, ...]
    seed: int
    val_fraction: float
    #: Positions of examples, from 0, ascending.
    train: list[int]
    validation: list[int]


def write_split(path: StrPath, data: CharacterDataset, fraction: float, seed: int) -> SplitFile:
    """Divides data as a run with this fraction and seed does, and writes the result as JSON.

    Raises:
        StorytellerError: the data cannot be split, or the file cannot be written.
    """
    split = split_by_cell(data.cells, data.cell_names, fraction, seed)
    made = SplitFile(
        files=tuple(DataFile(str(Path(file.path).resolve()), file.hash) for file in data.files),
        seed=seed,
        val_fraction=fraction,
        train=split.train.tolist(),
        validation=split.validation.tolist(),
    )
    write_atomic(path, msgspec.json.encode(made) + b"\n")
    return made
