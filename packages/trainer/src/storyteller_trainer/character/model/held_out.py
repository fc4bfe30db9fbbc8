"""The data of a run, found again after the training and divided as the run divided it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError

from storyteller_trainer.character.data.cache import Cache
from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.character.data.data_summary import DataSummary
from storyteller_trainer.character.data.dataset import CharacterDataset, DataFile
from storyteller_trainer.character.data.shards import load_shards
from storyteller_trainer.character.data.split import Split, split_by_cell
from storyteller_trainer.character.model.checkpoint import Checkpoint
from storyteller_trainer.reading.jsonl import DataGoneError, sha256
from storyteller_trainer.runs.run_files import SUMMARY


@dataclass(frozen=True)
class DividedData:
    """Examples, and which of them a run was trained on."""

    data: CharacterDataset
    #: The run's own; None for data that is not the run's, of which it has seen nothing.
    split: Split | None

    @property
    def training(self) -> NDArray[np.intp]:
        """Positions of the examples that the run was trained on."""
        return np.empty(0, np.intp) if self.split is None else self.split.train

    @property
    def held_out(self) -> NDArray[np.intp]:
        """Positions of the examples that it was not trained on."""
        return np.arange(len(self.data)) if self.split is None else self.split.validation

    def describe(self) -> str:
        """Where the examples come from and how many were held out, for people."""
        place = ", ".join(file.path for file in self.data.files) if len(self.data.files) < 3 else str(self.data.path)
        if self.split is None:
            return f"{place}: {len(self.data):,} examples, not the run's data"
        return f"{place}: {len(self.held_out):,} of {len(self.data):,} examples, held out from the run"


class _ToldByRun(msgspec.Struct):
    """The part of `run.json` that is read here."""

    data: DataSummary


def data_of_run(checkpoint: Checkpoint, cache_dir: Path | None) -> DividedData:
    """The files that a run was trained on, if they are still there with the same content.

    Args:
        cache_dir: where parsed files are kept; None keeps nothing.

    Raises:
        DataGoneError: they are not, or the run does not say which they were.
    """
    files = _files_of_run(checkpoint)
    for file in files:
        path = Path(file.path)
        if not path.is_file():
            raise DataGoneError(f"the run's data {path} is not there any more")
        try:
            found = Cache(cache_dir).digest(path) if cache_dir else sha256(path)
        except (OSError, StorytellerError) as error:
            raise DataGoneError(f"the run's data cannot be read ({error})") from error
        if found != file.hash:
            raise DataGoneError(f"the run's data {path} has changed")
    data = load_shards([Path(file.path) for file in files], cache_dir)
    return DividedData(data, _split(data, checkpoint))


def data_at(place: Path, checkpoint: Checkpoint | None, cache_dir: Path | None) -> DividedData:
    """The data at a place that the user names: a file, a folder or a pattern.

    Where it has the content of the run's own data it is divided as the run did.

    Raises:
        StorytellerError: there is none, or the first thing that is wrong with it.
    """
    data = load_shards(find_shards([place]), cache_dir)
    own = checkpoint is not None and checkpoint.metadata.data_hash == data.content_hash
    return DividedData(data, _split(data, checkpoint) if checkpoint and own else None)


def _files_of_run(checkpoint: Checkpoint) -> tuple[DataFile, ...]:
    summary = checkpoint.path.with_name(SUMMARY)
    try:
        told = msgspec.json.decode(summary.read_bytes(), type=_ToldByRun).data
    except (OSError, msgspec.DecodeError):
        raise DataGoneError(f"no {summary} says what the run was trained on") from None
    if not told.files or told.hash != checkpoint.metadata.data_hash:
        raise DataGoneError(f"{summary} does not say what {checkpoint.path.name} was trained on")
    return told.files


def _split(data: CharacterDataset, checkpoint: Checkpoint) -> Split:
    recipe = checkpoint.metadata.config
    try:
        return split_by_cell(data.cells, data.cell_names, recipe["val_fraction"], recipe["seed"])
    except KeyError as error:
        raise StorytellerError(f"{checkpoint.path}: does not say {error} of its recipe; train anew") from error
