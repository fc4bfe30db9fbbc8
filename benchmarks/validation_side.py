"""The examples that a run was judged on, for the scripts that judge its model in other ways."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.model.checkpoint import Checkpoint, load_checkpoint
from storyteller_trainer.character.training.recipe import Recipe

Floats = NDArray[np.float32]


class Judged(NamedTuple):
    """A run's best checkpoint, and the validation side of its own split."""

    checkpoint: Checkpoint
    #: [n, 453]
    features: Floats
    #: [n, 42]
    labels: Floats


def read_validation_side(run: Path, data: Path) -> Judged:
    """Splits the data as the run did.

    Raises:
        StorytellerError: run or data cannot be read, or they do not belong together.
    """
    source = load_checkpoint(run)
    dataset = load_dataset(data, None)
    if dataset.content_hash != source.metadata.data_hash:
        raise StorytellerError(f"{run} was trained on other data than {data}; name the file it was trained on")
    recipe = Recipe(**source.metadata.config)
    held = split_by_cell(dataset.cells, dataset.cell_names, recipe.val_fraction, recipe.seed).validation
    return Judged(source, np.array(dataset.features[held]), np.array(dataset.labels[held]))
