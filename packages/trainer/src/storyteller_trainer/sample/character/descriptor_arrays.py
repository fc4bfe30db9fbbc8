"""A descriptor set as padded arrays, so that a chunk of scenarios of many cells is drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from storyteller_schema.contract.enums import (
    AwarenessLevel,
    Primary,
    Provenance,
    SceneType,
    TemporalLayer,
    TopologicalRole,
)
from storyteller_schema.contract.features import EDGE_SUBSTRATES, FEATURES, RANGE

from storyteller_trainer.character.rules.array_views import Float32, Float64, Int, one_hot
from storyteller_trainer.character.rules.axes import ABSENT, LABEL_AXES
from storyteller_trainer.sample.character.descriptors import Archetype, Descriptors, Dimension, Profile, Range


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """Descriptors by position: of A archetypes with at most S axes, D dynamics, P profiles with at most E events.

    Ranges end in an axis of two, (min, max). What an archetype or a profile does not have is zero.
    """

    #: [A, S, 4, 2]: central_tendency, variance, range_low, range_high of the axes in ascending order of their name.
    axes: Float32
    #: [A, S, 9]: one-hots of temporal layer and provenance.
    axis_marks: Float32
    #: For each cross-dimension [values, A, S]: what is added to the central tendency.
    modifiers: tuple[Float32, ...]
    #: For each axis that label rules read [A]: its position, ABSENT where an archetype does not have it.
    label_slots: dict[str, Int]
    #: [A, 8, 2]
    intensities: Float32
    #: [A, 8, 5]: one-hot.
    awareness: Float32
    #: [A, 7, 2]
    self_edges: Float32
    #: [D, 5, 2]: of `edge_a_to_b`.
    edges: Float32
    #: [D, 2, 4]: one-hots of topology_a and topology_b.
    roles: Float32
    #: [P, 4]: one-hot.
    scene_types: Float32
    #: [P, 2]
    tensions: Float32
    #: [P, 2]
    cast_sizes: Float32
    #: [P, E]
    event_weights: Float64
    #: [P, E]
    event_types: Int
    #: [P, E]
    event_registers: Int

    @staticmethod
    def of(descriptors: Descriptors) -> Tables:
        """The tables of a checked descriptor set."""
        archetypes, dynamics, profiles = descriptors.archetypes, descriptors.dynamics, descriptors.profiles
        # The engine's map of axes is sorted by name.
        sorted_axes = [sorted(archetype.axes, key=lambda axis: axis.axis_id) for archetype in archetypes]
        axis_names = [[axis.axis_id for axis in axes] for axes in sorted_axes]
        most_axes = max(map(len, sorted_axes))
        axes = np.zeros((len(archetypes), most_axes, len(RANGE), 2), np.float32)
        marks = np.zeros((len(archetypes), most_axes, len(TemporalLayer) + len(Provenance)), np.float32)
        for a, slots in enumerate(sorted_axes):
            for s, axis in enumerate(slots):
                axes[a, s] = _ends([getattr(axis, name) for name in RANGE])
                marks[a, s, axis.layer.position] = 1
                marks[a, s, len(TemporalLayer) + axis.provenance.position] = 1

        intensities, awareness = _emotions(archetypes)
        weights, types, registers = _events(profiles)
        substrates = [field.name.replace("trust.", "trust_") for field in FEATURES["self_edge"].fields]
        return Tables(
            axes=axes,
            axis_marks=marks,
            modifiers=tuple(_modifiers(dimension, axis_names, most_axes) for dimension in descriptors.dimensions),
            label_slots={
                name: np.array([names.index(name) if name in names else ABSENT for names in axis_names])
                for name in LABEL_AXES
            },
            intensities=intensities,
            awareness=awareness,
            self_edges=np.stack([_ends([getattr(a.default_self_edge, s) for s in substrates]) for a in archetypes]),
            edges=np.stack([_ends([getattr(d.edge_a_to_b, s) for s in EDGE_SUBSTRATES]) for d in dynamics]),
            roles=one_hot(
                np.array([(d.topology_a.position, d.topology_b.position) for d in dynamics]), len(TopologicalRole)
            ),
            scene_types=one_hot(np.array([p.scene_type.position for p in profiles]), len(SceneType)),
            tensions=_ends([p.tension for p in profiles]),
            cast_sizes=_ends([p.cast_size for p in profiles]),
            event_weights=weights,
            event_types=types,
            event_registers=registers,
        )


def _ends(ranges: Sequence[Range]) -> Float32:
    """[ranges, 2]"""
    return np.array([(r.min, r.max) for r in ranges], np.float32)


def _modifiers(dimension: Dimension, axis_names: list[list[str]], most_axes: int) -> Float32:
    added = np.zeros((len(dimension.values), len(axis_names), most_axes), np.float32)
    for v, value in enumerate(dimension.values):
        for modifier in value.axis_modifiers:
            for a, names in enumerate(axis_names):
                if modifier.axis_id in names:
                    added[v, a, names.index(modifier.axis_id)] = modifier.additive
    return added


def _emotions(archetypes: Sequence[Archetype]) -> tuple[Float32, Float32]:
    intensities = np.zeros((len(archetypes), len(Primary), 2), np.float32)
    awareness = np.zeros((len(archetypes), len(Primary), len(AwarenessLevel)), np.float32)
    for a, archetype in enumerate(archetypes):
        for emotion in archetype.default_emotional_profile.primaries:
            intensities[a, emotion.primary_id.position] = emotion.intensity.min, emotion.intensity.max
            awareness[a, emotion.primary_id.position, emotion.awareness.position] = 1
    return intensities, awareness


def _events(profiles: Sequence[Profile]) -> tuple[Float64, Int, Int]:
    shape = len(profiles), max(len(profile.characteristic_events) for profile in profiles)
    weights, types, registers = np.zeros(shape), np.zeros(shape, np.intp), np.zeros(shape, np.intp)
    for p, profile in enumerate(profiles):
        for e, event in enumerate(profile.characteristic_events):
            weights[p, e] = event.weight
            types[p, e] = event.event_type.position
            registers[p, e] = event.emotional_register.position
    return weights, types, registers
