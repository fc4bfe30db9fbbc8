"""Labels of the text pipeline, and how event logits are read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import (
    BIO_LABELS,
    EVENT_THRESHOLD,
    IGNORE_INDEX,
    MAX_SEQ_LENGTH,
    EntityCategory,
    EntityRole,
    EventKind,
    Span,
    decode_events,
    event_probabilities,
)


def test_the_labels_stand_in_the_engines_order() -> None:
    assert EventKind.labels() == (
        "StateAssertion",
        "ActionOccurrence",
        "SpatialChange",
        "EmotionalExpression",
        "InformationTransfer",
        "SpeechAct",
        "RelationalShift",
        "EnvironmentalChange",
    )
    assert BIO_LABELS == (
        "O",
        "B-CHARACTER",
        "I-CHARACTER",
        "B-OBJECT",
        "I-OBJECT",
        "B-LOCATION",
        "I-LOCATION",
        "B-GESTURE",
        "I-GESTURE",
        "B-SENSORY",
        "I-SENSORY",
        "B-ABSTRACT",
        "I-ABSTRACT",
        "B-COLLECTIVE",
        "I-COLLECTIVE",
    )
    assert EntityRole.labels() == ("Actor", "Target", "Instrument", "Location", "Witness", "Subject")
    assert (MAX_SEQ_LENGTH, IGNORE_INDEX, EVENT_THRESHOLD) == (128, -100, 0.5)


def test_a_kind_holds_strictly_above_the_threshold() -> None:
    logits = [0.0, 0.001, -0.001, 8.0, -1000.0, 1000.0, float("nan"), 1e-9]
    assert decode_events(logits) == (
        EventKind.ACTION_OCCURRENCE,
        EventKind.EMOTIONAL_EXPRESSION,
        EventKind.SPEECH_ACT,
    )  # 1e-9 is positive, but its sigmoid in float32 is 0.5


@given(st.lists(st.floats(-90, 90, width=32), min_size=8, max_size=8))
def test_probabilities_are_the_sigmoid(logits: list[float]) -> None:
    probabilities = event_probabilities(logits)
    assert probabilities.dtype == np.float32
    exact = 1 / (1 + np.exp(-np.array(logits, dtype=np.float64)))
    np.testing.assert_allclose(probabilities, exact, rtol=1e-6, atol=1e-38)


def test_probabilities_keep_the_shape_and_saturate_in_silence() -> None:
    assert event_probabilities(np.zeros((3, 8))).shape == (3, 8)
    assert event_probabilities([-1e4, 1e4, 0.0]).tolist() == [0.0, 1.0, 0.5]


@pytest.mark.parametrize("shape", [(7,), (9,), (1, 8), ()])
def test_another_number_of_logits_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(StorytellerError, match="expected 8 event logits"):
        decode_events(np.zeros(shape))


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 2), (-3, -1)])
def test_a_span_runs_forward_from_zero_or_later(start: int, end: int) -> None:
    with pytest.raises(StorytellerError, match=f"OBJECT has start {start} and end {end}; expected 0 <= start <= end"):
        Span(start, end, EntityCategory.OBJECT)
