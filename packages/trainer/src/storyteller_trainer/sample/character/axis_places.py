"""Where the axes that label rules read lie, as a descriptor set says."""

from __future__ import annotations

import numpy as np

from storyteller_trainer.character.rules.axes import MARKS, AxisPlaces
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptors import Descriptors


def axis_places(descriptors: Descriptors) -> AxisPlaces:
    """The places for the archetypes of a checked descriptor set."""
    tables = Tables.of(descriptors)
    marks = np.zeros((len(descriptors.archetypes), *MARKS), np.float32)
    written = min(MARKS[0], tables.axis_marks.shape[1])
    marks[:, :written] = tables.axis_marks[:, :written]
    return AxisPlaces(
        archetypes=tuple(archetype.id for archetype in descriptors.archetypes), slots=tables.label_slots, marks=marks
    )
