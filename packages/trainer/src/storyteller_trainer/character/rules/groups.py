"""Groups of examples by what rules read, and by what a changed rule might read: each label is counted in every one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from storyteller_schema.contract.enums import EmotionalRegister, EventType, Primary, SceneType

from storyteller_trainer.character.rules.array_views import Float32, Int, feature
from storyteller_trainer.character.rules.conditionals import (
    AXIS_ABOVE,
    BENEVOLENCE_ABOVE,
    HIGH_TENSION,
    LOW_TENSION,
    Conditionals,
)

#: Bands that the range of a number is cut into.
BANDS = 10


class Groups(NamedTuple):
    """G groups; an example is in many."""

    #: After "rows": "with event Speech"; empty for all of them.
    names: tuple[str, ...]
    #: [G, n]: 1 where the example is in the group.
    members: Float32


def make_groups(features: Float32, axes: Mapping[str, Float32], given: Conditionals) -> Groups:
    """The groups of n examples.

    Args:
        features: [n, inputs]; axes: each [n], NaN where it is not known; given: of these.
    """
    names, members = [""], [np.ones(len(features), np.float32)]

    def add(new: Sequence[str], positions: Int) -> None:
        names.extend(new)
        members.extend((positions == position).astype(np.float32) for position in range(len(new)))

    for enum, path, word in (
        (EventType, "player_event.event_type", "event"),
        (EmotionalRegister, "player_event.emotional_register", "register"),
        (SceneType, "scene_context.scene_type", "scene"),
    ):
        one_hot = feature(features, path)
        add([f"with {word} {member}" for member in enum], np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), -1))
    add([f"with dominant emotion {member}" for member in Primary], given.dominant)
    tension = feature(features, "scene_context.tension")[:, 0]
    benevolence = feature(features, "relational_edges.trust_benevolence.central_tendency")[:, 0]
    numbers = [
        ("tension", tension, 0.0, (LOW_TENSION, HIGH_TENSION)),
        ("benevolence", benevolence, -1.0, (BENEVOLENCE_ABOVE,)),
        *((name, values, -1.0, (AXIS_ABOVE,)) for name, values in axes.items()),
    ]
    for word, values, lowest, thresholds in numbers:
        for edges in (np.linspace(lowest, 1, BANDS + 1)[1:-1], np.array(thresholds)):
            ends = [f"{edge:.3g}" for edge in edges]
            between = [f"with {word} from {low} to {high}" for low, high in pairwise(ends)]
            # A threshold is compared as the rules do it, in float32.
            bands = np.searchsorted(edges.astype(np.float32), values)
            words = [f"with {word} up to {ends[0]}", *between, f"with {word} above {ends[-1]}"]
            add(words, np.where(np.isnan(values), -1, bands))
    return Groups(tuple(names), np.stack(members))
