"""Hypothesis strategies for what the engine and this workspace exchange. Every value they make is valid."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from storyteller_schema.contract.constants import DELTA_FLOOR, TOTAL_OUTPUT_FEATURES
from storyteller_schema.contract.enums import (
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
from storyteller_schema.contract.predictions import (
    ActionPrediction,
    EmotionPrediction,
    Prediction,
    SpeechPrediction,
    ThoughtPrediction,
)
from storyteller_schema.contract.scenario import (
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

#: The same with NaN and infinities, many of them.
any_outputs: st.SearchStrategy[NDArray[np.float32]] = st_numpy.arrays(
    np.float32,
    TOTAL_OUTPUT_FEATURES,
    elements=_edge_numbers | st.floats(width=32) | st.sampled_from([float("nan"), float("inf"), float("-inf")]),
)

#: Axis names, among them pairs whose order differs between UTF-8 and UTF-16 and between cases.
axis_names: st.SearchStrategy[str] = st.text(max_size=8) | st.sampled_from(
    ["empathy", "Empathy", "distance_management", "distance-management", "Å", "z", "\ufffd", "\U0001f600", "a", "ab"]
)


def members(enum: type[EnumT]) -> st.SearchStrategy[EnumT]:
    """One member of an enum."""
    return st.sampled_from(list(enum))


@st.composite
def _scenarios(draw: st.DrawFn) -> Scenario:
    # A scenario holds some hundred numbers. Drawing each of them alone takes hypothesis tens of milliseconds, so it
    # draws a few and how many of everything there are, and a seeded generator deals them out.
    pool = draw(st.lists(numbers, min_size=1, max_size=8))
    counts = draw(st.lists(st.integers(0, 40) | st.integers(0, 2**32 - 1), min_size=2, max_size=2))
    names = draw(st.lists(axis_names, max_size=10))
    extra_axes, edge_count, turn_count = draw(st.tuples(st.integers(0, 24), st.integers(0, 7), st.integers(0, 5)))
    random = draw(st.randoms(use_true_random=True))

    def number() -> float:
        return random.choice(pool)

    def member(enum: type[EnumT]) -> EnumT:
        return random.choice(list(enum))

    def substrate() -> Substrate:
        return Substrate(central_tendency=number(), variance=number(), range_low=number(), range_high=number())

    def axis() -> Axis:
        return Axis(
            central_tendency=number(),
            variance=number(),
            range_low=number(),
            range_high=number(),
            temporal_layer=member(TemporalLayer),
            provenance=member(Provenance),
        )

    def edge() -> RelationalEdge:
        return RelationalEdge(
            trust_reliability=substrate(),
            trust_competence=substrate(),
            trust_benevolence=substrate(),
            affection=substrate(),
            debt=substrate(),
            topological_role=random.choice([None, *TopologicalRole]),
        )

    def turn() -> HistoryEntry:
        return HistoryEntry(
            action_type=member(ActionType),
            speech_register=member(SpeechRegister),
            awareness=member(AwarenessLevel),
            emotional_valence=number(),
        )

    names += [f"axis_{random.randrange(100)}" for _ in range(extra_axes)]
    return Scenario(
        tensor={name: axis() for name in names},
        emotional_state={
            primary: PrimaryState(intensity=number(), awareness=member(AwarenessLevel))
            for primary in draw(st.sets(members(Primary)))
        },
        self_edge=SelfEdge(
            trust=SelfTrust(competence=number(), intentions=number(), reliability=number()),
            affection=number(),
            debt=number(),
            history_weight=number(),
            projection_accuracy=number(),
        ),
        relational_edges=tuple(edge() for _ in range(edge_count)),
        scene_context=Scene(scene_type=member(SceneType), cast_size=counts[0], tension=number()),
        player_event=PlayerEvent(
            event_type=member(EventType),
            emotional_register=member(EmotionalRegister),
            confidence=number(),
            target_count=counts[1],
        ),
        history=tuple(turn() for _ in range(turn_count)),
    )


#: Scenarios from empty to overfull: more axes, relations and turns than have a slot.
scenarios: st.SearchStrategy[Scenario] = _scenarios()


@st.composite
def _emotions(draw: st.DrawFn) -> EmotionPrediction:
    kept = numbers.filter(lambda delta: abs(delta) > np.float32(DELTA_FLOOR))
    deltas = draw(st.dictionaries(members(Primary), kept))
    shifts = draw(st.sets(st.sampled_from(sorted(deltas)))) if deltas else set()
    return EmotionPrediction(intensity_delta=deltas, awareness_shift=tuple(shifts))


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
    emotion=_emotions(),
)
