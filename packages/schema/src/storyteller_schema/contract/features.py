"""The 453 inputs of character prediction: their layout, and how a scenario is written into them.

Everywhere else, in shapes, `inputs` stands for this number and `outputs` for that of predictions.py.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.typing import NDArray

from storyteller_schema.contract.enums import (
    ActionType,
    AwarenessLevel,
    EmotionalRegister,
    EventType,
    Primary,
    Provenance,
    SceneType,
    SpeechRegister,
    TemporalLayer,
    TopologicalRole,
)
from storyteller_schema.contract.layout import Field, Layout, Region, one_hot
from storyteller_schema.contract.scenario import (
    Axis,
    HistoryEntry,
    PlayerEvent,
    PrimaryState,
    RelationalEdge,
    Scenario,
    Scene,
    SelfEdge,
    Substrate,
)

#: A range of plausible values, as the engine writes every substrate of a character or of a relation.
RANGE = ("central_tendency", "variance", "range_low", "range_high")
#: The substrates of a relation, in wire order.
EDGE_SUBSTRATES = ("trust_reliability", "trust_competence", "trust_benevolence", "affection", "debt")


def _indices(count: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(count))


FEATURES = Layout(
    Region(
        "tensor",
        "Personality axes in ascending order of their name; empty slots are zero",
        (
            *(Field(name) for name in RANGE),
            one_hot("temporal_layer", TemporalLayer),
            one_hot("provenance", Provenance),
        ),
        _indices(16),
    ),
    Region(
        "emotional_state",
        "Plutchik primaries, each with an intensity and how aware the character is of it",
        (Field("intensity"), one_hot("awareness", AwarenessLevel)),
        Primary.labels(),
    ),
    Region(
        "self_edge",
        "The character's relation to themselves",
        tuple(
            Field(name)
            for name in (
                "trust.competence",
                "trust.intentions",
                "trust.reliability",
                "affection",
                "debt",
                "history_weight",
                "projection_accuracy",
            )
        ),
    ),
    Region(
        "relational_edges",
        "Relations to other characters, the first five",
        (
            *(Field(f"{substrate}.{name}") for substrate in EDGE_SUBSTRATES for name in RANGE),
            one_hot("topological_role", TopologicalRole),
        ),
        _indices(5),
    ),
    Region(
        "scene_context",
        "The scene",
        (one_hot("scene_type", SceneType), Field("cast_size"), Field("tension")),
    ),
    Region(
        "player_event",
        "What the player just did",
        (
            one_hot("event_type", EventType),
            one_hot("emotional_register", EmotionalRegister),
            Field("confidence"),
            Field("target_count"),
        ),
    ),
    Region(
        "history",
        "The character's latest predictions, newest first",
        (
            one_hot("action_type", ActionType),
            one_hot("speech_register", SpeechRegister),
            one_hot("awareness", AwarenessLevel),
            Field("emotional_valence"),
        ),
        _indices(3),
    ),
)


def encode_features(scenario: Scenario) -> NDArray[np.float32]:
    """Writes a scenario as the engine does: [inputs] float32, not normalised.

    The tensor takes the first 16 axes in ascending order of their name, the relations the first 5, the history the
    newest 3 with the newest first; a relation without a role counts as Periphery. Slots left over are zero.
    """
    slots = {
        "tensor": [_axis(scenario.tensor[name]) for name in wire_axes(scenario)],
        "emotional_state": [_primary(scenario.emotional_state.get(primary)) for primary in Primary],
        "self_edge": [_self_edge(scenario.self_edge)],
        "relational_edges": [_edge(edge) for edge in wire_edges(scenario)],
        "scene_context": [_scene(scenario.scene_context)],
        "player_event": [_event(scenario.player_event)],
        "history": [_entry(entry) for entry in wire_history(scenario)],
    }
    vector = np.zeros(FEATURES.size, dtype=np.float32)
    for name, filled in slots.items():
        values = list(chain.from_iterable(filled))
        offset = FEATURES[name].offset
        vector[offset : offset + len(values)] = values
    return vector


def wire_axes(scenario: Scenario) -> list[str]:
    """The names of the axes that have a slot, in the order of their slots."""
    # Rust orders strings by their UTF-8 bytes, which is the order of code points, which is Python's order.
    return sorted(scenario.tensor)[: FEATURES["tensor"].slots]


def wire_edges(scenario: Scenario) -> tuple[RelationalEdge, ...]:
    """The relations that have a slot, in the order of their slots."""
    return scenario.relational_edges[: FEATURES["relational_edges"].slots]


def wire_history(scenario: Scenario) -> tuple[HistoryEntry, ...]:
    """The earlier turns that have a slot, in the order of their slots: the newest first."""
    return scenario.history[::-1][: FEATURES["history"].slots]


# Each of these writes one slot of a region.


def _axis(axis: Axis) -> list[float]:
    return [*_range(axis), *axis.temporal_layer.one_hot, *axis.provenance.one_hot]


def _primary(state: PrimaryState | None) -> list[float]:
    if state is None:
        return [0.0] * FEATURES["emotional_state"].per_slot
    return [state.intensity, *state.awareness.one_hot]


def _self_edge(edge: SelfEdge) -> list[float]:
    trust = [edge.trust.competence, edge.trust.intentions, edge.trust.reliability]
    return [*trust, edge.affection, edge.debt, edge.history_weight, edge.projection_accuracy]


def _edge(edge: RelationalEdge) -> list[float]:
    trust = [*_range(edge.trust_reliability), *_range(edge.trust_competence), *_range(edge.trust_benevolence)]
    role = edge.topological_role or TopologicalRole.PERIPHERY
    return [*trust, *_range(edge.affection), *_range(edge.debt), *role.one_hot]


def _scene(scene: Scene) -> list[float]:
    return [*scene.scene_type.one_hot, scene.cast_size, scene.tension]


def _event(event: PlayerEvent) -> list[float]:
    kinds = [*event.event_type.one_hot, *event.emotional_register.one_hot]
    return [*kinds, event.confidence, event.target_count]


def _entry(entry: HistoryEntry) -> list[float]:
    kinds = [*entry.action_type.one_hot, *entry.speech_register.one_hot, *entry.awareness.one_hot]
    return [*kinds, entry.emotional_valence]


def _range(substrate: Substrate) -> list[float]:
    return [substrate.central_tendency, substrate.variance, substrate.range_low, substrate.range_high]
