"""Hypothesis strategies for what the engine and this workspace exchange. Every value they make is valid."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from storyteller_schema.constants import DELTA_FLOOR, TOTAL_OUTPUT_FEATURES
from storyteller_schema.enums import (
    ActionContext,
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
    WireEnum,
)
from storyteller_schema.predictions import (
    ActionPrediction,
    EmotionPrediction,
    Prediction,
    SpeechPrediction,
    ThoughtPrediction,
)
from storyteller_schema.scenario import (
    Axis,
    HistoryEntry,
    PlayerEvent,
    PrimaryState,
    RelationalEdge,
    Scenario,
    Scene,
    SelfEdge,
    SelfTrust,
    Substrate,
)

EnumT = TypeVar("EnumT", bound=WireEnum)

#: Finite float32 numbers.
numbers: st.SearchStrategy[float] = st.floats(allow_nan=False, allow_infinity=False, width=32)

#: Float32 numbers around the cuts of the decode rules, with ties among them.
_edge_numbers = st.sampled_from(
    [0.0, -0.0, 0.5, float(np.nextafter(np.float32(0.5), np.float32(1))), 1.5, 2.5, 6.5, 7.5, 255.0, 256.0, -1.0]
    + [sign * float(np.float32(x)) for x in (0.01, 0.0099999, 0.0100001) for sign in (1, -1)]
    + [float(np.finfo(np.float32).max), float(np.finfo(np.float32).min)]
)

#: Raw outputs of the four heads, [42] float32, finite, with many ties and values at the cuts.
raw_outputs: st.SearchStrategy[NDArray[np.float32]] = st_numpy.arrays(
    np.float32, TOTAL_OUTPUT_FEATURES, elements=_edge_numbers | numbers
)

#: Axis names, among them pairs whose order differs between UTF-8 and UTF-16 and between cases.
axis_names: st.SearchStrategy[str] = st.text(max_size=8) | st.sampled_from(
    ["empathy", "Empathy", "distance_management", "distance-management", "Å", "z", "\ufffd", "\U0001f600", "a", "ab"]
)

_counts = st.integers(0, 40) | st.integers(0, 2**32 - 1)


def members(enum: type[EnumT]) -> st.SearchStrategy[EnumT]:
    """One member of an enum."""
    return st.sampled_from(list(enum))


substrates = st.builds(Substrate, central_tendency=numbers, variance=numbers, range_low=numbers, range_high=numbers)
axes = st.builds(
    Axis,
    central_tendency=numbers,
    variance=numbers,
    range_low=numbers,
    range_high=numbers,
    temporal_layer=members(TemporalLayer),
    provenance=members(Provenance),
)
edges = st.builds(
    RelationalEdge,
    trust_reliability=substrates,
    trust_competence=substrates,
    trust_benevolence=substrates,
    affection=substrates,
    debt=substrates,
    topological_role=st.none() | members(TopologicalRole),
)
entries = st.builds(
    HistoryEntry,
    action_type=members(ActionType),
    speech_register=members(SpeechRegister),
    awareness=members(AwarenessLevel),
    emotional_valence=numbers,
)

#: Scenarios from empty to overfull: more axes, relations and turns than have a slot.
scenarios: st.SearchStrategy[Scenario] = st.builds(
    Scenario,
    tensor=st.dictionaries(axis_names, axes, max_size=20),
    emotional_state=st.dictionaries(
        members(Primary), st.builds(PrimaryState, intensity=numbers, awareness=members(AwarenessLevel))
    ),
    self_edge=st.builds(
        SelfEdge,
        trust=st.builds(SelfTrust, competence=numbers, intentions=numbers, reliability=numbers),
        affection=numbers,
        debt=numbers,
        history_weight=numbers,
        projection_accuracy=numbers,
    ),
    relational_edges=st.lists(edges, max_size=7),
    scene_context=st.builds(Scene, scene_type=members(SceneType), cast_size=_counts, tension=numbers),
    player_event=st.builds(
        PlayerEvent,
        event_type=members(EventType),
        emotional_register=members(EmotionalRegister),
        confidence=numbers,
        target_count=_counts,
    ),
    history=st.lists(entries, max_size=5),
)

#: Every prediction that can be a label.
predictions: st.SearchStrategy[Prediction] = st.builds(
    Prediction,
    action=st.builds(
        ActionPrediction,
        type=members(ActionType),
        confidence=numbers,
        emotional_valence=numbers,
        context=members(ActionContext),
    ),
    speech=st.builds(SpeechPrediction, occurs=st.booleans(), register=members(SpeechRegister), confidence=numbers),
    thought=st.builds(ThoughtPrediction, awareness=members(AwarenessLevel), dominant_emotion=members(Primary)),
    emotion=st.builds(
        EmotionPrediction,
        intensity_delta=st.dictionaries(
            members(Primary), numbers.filter(lambda delta: abs(delta) > np.float32(DELTA_FLOOR))
        ),
        awareness_shift=st.lists(members(Primary), unique=True),
    ),
)
