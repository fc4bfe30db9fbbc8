"""The personality axes that label rules read, found again in features, which do not name them.

An archetype's axes stand in the `tensor` region in ascending order of their name, the first 16 of them. So where an
axis lies depends on what other axes the archetype has, and only its descriptors tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from storyteller_schema.contract.features import FEATURES, RANGE

from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.rules.array_views import Bool, Float32, Int, slots_of

#: The axes that label rules read, each with its value for an archetype that does not have it.
LABEL_AXES: dict[str, float] = {
    "empathy": 0.0,
    "distance_management": 0.0,
    "warmth_openness": 0.0,
    "expression_silence": 0.0,
    "self_awareness": 0.5,
}
#: In the place of a slot: the archetype does not have the axis.
ABSENT = -1
#: Slots of `tensor`, and the floats in each that are marks: 16 and 9.
MARKS = (FEATURES["tensor"].slots, FEATURES["tensor"].per_slot - len(RANGE))


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisPlaces:
    """Where the axes lie in the features of each of A archetypes."""

    #: Their ids.
    archetypes: tuple[str, ...]
    #: For each axis that label rules read [A]: its position among the archetype's axes, from 0, or ABSENT. One of 16 or
    #: more is not in the features.
    slots: dict[str, Int]
    #: [A, 16, 9]: the one-hots of temporal layer and provenance that stand in each slot; zeros in an empty one.
    marks: Float32


def archetypes_of(cells: Sequence[Cell], places: AxisPlaces) -> Int:
    """For each cell [cells]: the position of its character in `places`, -1 where the descriptors do not have it."""
    known = {name: position for position, name in enumerate(places.archetypes)}
    return np.array([known.get(cell.archetype_a, -1) for cell in cells], np.intp)


def read_axes(features: Float32, archetypes: Int, places: AxisPlaces | None) -> dict[str, Float32]:
    """For each axis that label rules read [n]: its central tendency, or its stand-in where the archetype lacks it.

    NaN where it cannot be known: the archetype is not described, or not as its features are, or the axis lies beyond
    the 16 that features hold.

    Args:
        features: [n, inputs].
        archetypes: [n], positions in `places`, or -1.
        places: None where no descriptors are known.
    """
    if places is None:
        return {name: np.full(len(features), np.nan, np.float32) for name in LABEL_AXES}
    central = slots_of(features, "tensor")[..., 0]
    described = _described(features, archetypes, places)
    axes = {}
    for name, absent in LABEL_AXES.items():
        slots = places.slots[name][archetypes]
        known = described & (slots < central.shape[1])
        axes[name] = np.where(known, at_slots(central, np.minimum(slots, central.shape[1] - 1), absent), np.nan)
    return axes


def at_slots(central: Float32, slots: Int, absent: float) -> Float32:
    """The central tendency [n] in the slot of each row of [n, slots], or `absent` where that is ABSENT."""
    return np.where(slots == ABSENT, np.float32(absent), central[np.arange(len(central)), slots])


def _described(features: Float32, archetypes: Int, places: AxisPlaces) -> Bool:
    """Whether the axes of each row [n] are marked as its archetype's descriptors say."""
    marks = slots_of(features, "tensor")[..., len(RANGE) :]
    same: Bool = (marks == places.marks[archetypes]).all(axis=(1, 2))
    return same & (archetypes >= 0)
