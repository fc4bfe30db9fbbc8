"""The 453 inputs of character prediction: their layout."""

from __future__ import annotations

from storyteller_schema.enums import (
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
from storyteller_schema.layout import Field, Layout, Region, one_hot

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
