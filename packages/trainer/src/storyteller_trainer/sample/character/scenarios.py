"""Scenarios: what the engine knows when it asks for a prediction, drawn for many cells at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from storyteller_schema.contract.features import EDGE_SUBSTRATES, FEATURES

from storyteller_trainer.character.rules.array_views import (
    Float32,
    between,
    choose,
    feature,
    one_hot,
    slots_of,
    uniform,
)
from storyteller_trainer.character.rules.axes import LABEL_AXES, at_slots
from storyteller_trainer.sample.character.cells import Cells
from storyteller_trainer.sample.character.descriptor_arrays import Tables

#: The variance of every substrate of a relation.
EDGE_VARIANCE = 0.15
#: How far the range of a substrate of a relation reaches to either side of its central tendency.
EDGE_REACH = 0.225
#: The confidence with which the engine recognised the player's event.
EVENT_CONFIDENCE = (0.7, 0.95)
MIN_CAST = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenarios:
    """n scenarios."""

    #: [n, inputs]
    features: Float32
    #: For each axis that label rules read [n]: its central tendency, or its stand-in where the archetype lacks it.
    #:
    #: Of an archetype with more than 16 axes this may be one that the features no longer hold.
    axes: dict[str, Float32]


def draw_scenarios(tables: Tables, cells: Cells, rng: np.random.Generator) -> Scenarios:
    """One scenario for each of n cells (a cell may stand several times). The history is empty."""
    features = np.zeros((len(cells), FEATURES.size), np.float32)
    axes = _draw_character(features, tables, cells, rng)
    _draw_edge(features, tables, cells, rng)
    _draw_scene(features, tables, cells, rng)
    return Scenarios(features=features, axes=axes)


def _draw_character(features: Float32, tables: Tables, cells: Cells, rng: np.random.Generator) -> dict[str, Float32]:
    who = cells.archetype_a
    substrates = uniform(rng, tables.axes[who])  # [n, axes, 4]
    central, range_low, range_high = substrates[..., 0], substrates[..., 2], substrates[..., 3]
    # The range holds the central tendency as it was drawn; cross-dimensions then move that, and not the range.
    np.minimum(range_low, central, out=range_low)
    np.maximum(range_high, central, out=range_high)
    for added_by_value in tables.modifiers:
        added = added_by_value[rng.integers(len(added_by_value), size=len(cells)), who]
        central[:] = np.where(added != 0, np.clip(central + added, -1, 1), central)

    tensor = slots_of(features, "tensor")
    written = min(tensor.shape[1], substrates.shape[1])
    numbers = substrates.shape[2]
    tensor[:, :written, :numbers] = substrates[:, :written]
    tensor[:, :written, numbers:] = tables.axis_marks[who, :written]

    emotions = slots_of(features, "emotional_state")
    emotions[..., 0] = np.clip(uniform(rng, tables.intensities[who]), 0, 1)
    emotions[..., 1:] = tables.awareness[who]
    features[:, FEATURES["self_edge"].span] = np.clip(uniform(rng, tables.self_edges[who]), 0, 1)
    return {name: at_slots(central, tables.label_slots[name][who], absent) for name, absent in LABEL_AXES.items()}


def _draw_edge(features: Float32, tables: Tables, cells: Cells, rng: np.random.Generator) -> None:
    """The one relation, to B, in the first slot. Whichever role A plays, it is drawn from `edge_a_to_b`."""
    central = uniform(rng, tables.edges[cells.dynamic])  # [n, 5]
    for i, name in enumerate(EDGE_SUBSTRATES):
        path, value = f"relational_edges.{name}", central[:, i : i + 1]
        feature(features, f"{path}.central_tendency")[:] = value
        feature(features, f"{path}.variance")[:] = EDGE_VARIANCE
        feature(features, f"{path}.range_low")[:] = np.clip(value - np.float32(EDGE_REACH), -1, 1)
        feature(features, f"{path}.range_high")[:] = np.clip(value + np.float32(EDGE_REACH), -1, 1)
    # The place of the other character: topology_b (position 1) when A plays role_a.
    feature(features, "relational_edges.topological_role")[:] = tables.roles[cells.dynamic, cells.a_is_role_a]


def _draw_scene(features: Float32, tables: Tables, cells: Cells, rng: np.random.Generator) -> None:
    scene, n = cells.profile, len(cells)
    feature(features, "scene_context.scene_type")[:] = tables.scene_types[scene]
    feature(features, "scene_context.tension")[:, 0] = np.clip(uniform(rng, tables.tensions[scene]), 0, 1)
    # Halves go up; numpy's own rounding would send 2.5 to 2.
    cast = np.maximum(np.floor(uniform(rng, tables.cast_sizes[scene]) + np.float32(0.5)), MIN_CAST)
    feature(features, "scene_context.cast_size")[:, 0] = cast

    event = choose(rng, tables.event_weights[scene])
    for field, positions in (("event_type", tables.event_types), ("emotional_register", tables.event_registers)):
        path = f"player_event.{field}"
        size = FEATURES["player_event"].field(field).size
        feature(features, path)[:] = one_hot(positions[scene, event], size)
    feature(features, "player_event.confidence")[:, 0] = uniform(rng, between(*EVENT_CONFIDENCE, (n,)))
    feature(features, "player_event.target_count")[:, 0] = 1
