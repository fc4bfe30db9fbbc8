"""The real rows on which a character file is tried and judged, and by which its weights are rounded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.dataset import CACHE
from storyteller_trainer.character.model.checkpoint import Checkpoint
from storyteller_trainer.character.model.held_out import DividedData, data_at, data_of_run
from storyteller_trainer.reading.jsonl import DataGoneError

from storyteller_exporter.character.cases import evenly_spaced
from storyteller_exporter.checks.verification_report import Check, Status

Floats = NDArray[np.float32]


class Data(NamedTuple):
    """What was found, and what the report says about it."""

    found: DividedData | None
    #: None when nothing was looked for.
    check: Check | None
    #: Why nothing was found.
    missing: str = "no --checkpoint and no --data was given"

    def held_out(self, count: int) -> tuple[Floats, Floats] | None:
        """Features [n, inputs] and labels [n, outputs] of at most `count` examples that the run was not trained on."""
        if self.found is None:
            return None
        rows = evenly_spaced(self.found.held_out, count)
        return self.found.data.features[rows], self.found.data.labels[rows]

    def training(self, count: int) -> Floats | None:
        """Features [n, inputs] of at most `count` examples that it was trained on."""
        if self.found is None or not len(self.found.training):
            return None
        features: Floats = self.found.data.features[evenly_spaced(self.found.training, count)]
        return features


def find_data(place: Path | None, source: Checkpoint | None) -> Data:
    """The data at a place, or where none is named, the data that the run was trained on.

    Parsed files are taken from the workspace's cache, and kept there, where the working directory has one. Nowhere else
    is anything written.
    """
    cache = CACHE if CACHE.is_dir() else None
    try:
        if place is not None:
            found = data_at(place, source, cache)
        elif source is not None:
            found = data_of_run(source, cache)
        else:
            return Data(None, None)
    except StorytellerError as error:
        return Data(None, Check("data", Status.FAILED, str(error)), str(error))
    except DataGoneError as error:
        return Data(None, Check("data", Status.SKIPPED, f"{error}: parity on generated cases only"), str(error))
    return Data(found, Check("data", Status.OK, found.describe()))
