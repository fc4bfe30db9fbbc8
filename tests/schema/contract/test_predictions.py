"""Labels and the reading of outputs, by the engine's rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.batch import decode_outputs_batch
from storyteller_schema.contract.enums import ActionContext, ActionType, AwarenessLevel, Primary, SpeechRegister
from storyteller_schema.contract.predictions import (
    PREDICTIONS,
    ActionPrediction,
    EmotionPrediction,
    Prediction,
    SpeechPrediction,
    ThoughtPrediction,
    decode_outputs,
    encode_labels,
)
from strategies import any_outputs, predictions, raw_outputs

NAN, INF = float("nan"), float("inf")
#: The float32 neighbours of the two cuts.
HALF_UP = float(np.nextafter(np.float32(0.5), np.float32(1)))
FLOOR = float(np.float32(0.01))
FLOOR_UP = float(np.nextafter(np.float32(0.01), np.float32(1)))

EXAMPLE = Prediction(
    action=ActionPrediction(
        type=ActionType.EXAMINE, confidence=0.75, emotional_valence=-0.25, context=ActionContext.WORLD_RESPONSE
    ),
    speech=SpeechPrediction(occurs=True, register=SpeechRegister.WHISPER, confidence=0.5),
    thought=ThoughtPrediction(awareness=AwarenessLevel.DEFENDED, dominant_emotion=Primary.DISGUST),
    emotion=EmotionPrediction(
        intensity_delta={Primary.TRUST: 0.125, Primary.ANTICIPATION: -0.5}, awareness_shift=(Primary.TRUST,)
    ),
)


def outputs(**values: ArrayLike) -> NDArray[np.float32]:
    """A vector of zeros but for the fields given, `__` standing for the dot."""
    vector = np.zeros(42, dtype=np.float32)
    for path, value in values.items():
        vector[PREDICTIONS.span(path.replace("__", "."))] = value
    return vector


def test_the_labels_of_an_example() -> None:
    labels = dict(zip(PREDICTIONS.float_names, encode_labels(EXAMPLE).tolist(), strict=True))
    assert {name: value for name, value in labels.items() if value != 0} == {
        "action.type[Examine]": 1.0,
        "action.confidence": 0.75,
        "action.target_index": -1.0,
        "action.emotional_valence": -0.25,
        "action.context[WorldResponse]": 1.0,
        "speech.occurs": 1.0,
        "speech.register[Whisper]": 1.0,
        "speech.confidence": 0.5,
        "thought.awareness[Defended]": 1.0,
        "thought.dominant_emotion_index": 5.0,
        "emotion.intensity_delta[Trust]": 0.125,
        "emotion.intensity_delta[Anticipation]": -0.5,
        "emotion.awareness_shift[Trust]": 1.0,
    }


@given(predictions)
def test_a_label_is_read_back_as_the_prediction_it_was_made_from(prediction: Prediction) -> None:
    labels = encode_labels(prediction)
    assert labels.shape == (42,)
    assert labels.dtype == np.float32
    assert decode_outputs(labels) == prediction


@given(raw_outputs)
def test_whatever_is_read_can_be_a_label_and_is_read_the_same_again(vector: NDArray[np.float32]) -> None:
    prediction = decode_outputs(vector)
    assert decode_outputs(encode_labels(prediction)) == prediction


@given(any_outputs)
def test_a_shift_is_never_without_a_delta(vector: NDArray[np.float32]) -> None:
    emotion = decode_outputs(vector).emotion
    assert set(emotion.awareness_shift) <= set(emotion.intensity_delta)


@given(raw_outputs)
def test_numbers_are_taken_raw_and_the_target_is_not_looked_at(vector: NDArray[np.float32]) -> None:
    prediction = decode_outputs(vector)
    assert prediction.action.confidence == vector[6]
    assert prediction.action.emotional_valence == vector[8]
    assert prediction.speech.confidence == vector[19]
    elsewhere = vector.copy()
    elsewhere[7] = 3
    assert decode_outputs(elsewhere) == prediction


def test_the_last_of_equal_maxima_wins() -> None:
    prediction = decode_outputs(np.zeros(42))
    assert prediction.action.type is ActionType.RESIST
    assert prediction.action.context is ActionContext.WORLD_RESPONSE
    assert prediction.speech.register is SpeechRegister.INTERNAL
    assert prediction.thought.awareness is AwarenessLevel.STRUCTURAL
    tied = decode_outputs(outputs(action__type=[2, 5, 1, 5, 4, -5]))
    assert tied.action.type is ActionType.EXAMINE


@pytest.mark.parametrize(
    ("raw", "index"),
    [
        (0.0, 0),
        (0.49999997, 0),  # adding 0.5 in float32 would round this up to 1
        (0.5, 1),
        (1.4999999, 1),
        (1.5, 2),
        (2.5, 3),  # half away from zero, not half to even
        (6.5, 7),
        (7.0, 7),
        (7.49, 7),
        (7.5, 7),
        (8.0, 7),
        (255.0, 7),
        (256.0, 7),
        (1e30, 7),
        (INF, 7),
        (-0.4, 0),
        (-0.5, 0),
        (-3.0, 0),
        (-1e30, 0),
        (-INF, 0),
        (NAN, 0),
    ],
)
def test_the_dominant_emotion_is_rounded_cast_and_capped(raw: float, index: int) -> None:
    prediction = decode_outputs(outputs(thought__dominant_emotion_index=raw))
    assert prediction.thought.dominant_emotion.position == index


@pytest.mark.parametrize(
    ("raw", "holds"), [(0.5, False), (HALF_UP, True), (0.0, False), (INF, True), (-INF, False), (NAN, False)]
)
def test_binary_outputs_are_cut_at_a_raw_half(raw: float, holds: bool) -> None:
    shifts = [0, raw, 0, 0, 0, 0, 0, 0]
    prediction = decode_outputs(
        outputs(speech__occurs=raw, emotion__intensity_delta=[0.2] * 8, emotion__awareness_shift=shifts)
    )
    assert prediction.speech.occurs is holds
    assert prediction.emotion.awareness_shift == ((Primary.TRUST,) if holds else ())


@pytest.mark.parametrize(
    ("raw", "kept"),
    [(FLOOR, False), (FLOOR_UP, True), (-FLOOR, False), (-FLOOR_UP, True), (0.0, False), (NAN, False), (-INF, True)],
)
def test_a_delta_is_kept_above_the_floor(raw: float, kept: bool) -> None:
    prediction = decode_outputs(outputs(emotion__intensity_delta=[0, 0, 0, 0, 0, 0, raw, 0]))
    assert prediction.emotion.intensity_delta == ({Primary.ANGER: raw} if kept else {})


def heads(vector: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The heads of outputs [..., 42] by name, in another order than the engine's."""
    return {region.name: vector[..., region.span] for region in reversed(PREDICTIONS.regions)}


@given(raw_outputs)
def test_heads_by_name_are_read_as_their_concatenation(vector: NDArray[np.float32]) -> None:
    expected = decode_outputs(vector)
    assert decode_outputs(heads(vector)) == expected
    assert decode_outputs(heads(vector[None])) == decode_outputs(vector[None]) == expected
    batch = np.stack([vector, vector[::-1]])
    for name, column in decode_outputs_batch(batch).items():
        np.testing.assert_array_equal(decode_outputs_batch(heads(batch))[name], column)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speech": None}, "expected the heads action, speech, thought, emotion, got emotion, thought, action"),
        ({"mood": np.zeros(2)}, "got emotion, thought, speech, action, mood"),
        (
            {"speech": np.zeros(5)},
            r"shapes action \[..., 14\], .*, got action \[14\], speech \[5\], thought",
        ),
        ({"speech": np.zeros((1, 6))}, r"got action \[14\], speech \[1, 6\]"),
        ({"speech": 0.5}, r"got action \[14\], speech \[\]"),
        ({"speech": ["no"] * 6}, "got values of type <U"),
        ({"speech": [[1], [2, 3]]}, "expected 42 output numbers"),
    ],
)
def test_heads_that_do_not_fit_are_refused(changes: dict[str, ArrayLike | None], message: str) -> None:
    changed: dict[str, ArrayLike | None] = {**heads(np.zeros(42, np.float32)), **changes}
    with pytest.raises(StorytellerError, match=message):
        decode_outputs({name: head for name, head in changed.items() if head is not None})


def test_a_shift_is_lost_with_its_delta() -> None:
    deltas = [0.2, FLOOR, FLOOR_UP, -FLOOR, -FLOOR_UP, 0.0, NAN, -INF]
    prediction = decode_outputs(outputs(emotion__intensity_delta=deltas, emotion__awareness_shift=[1] * 8))
    kept = (Primary.JOY, Primary.FEAR, Primary.SADNESS, Primary.ANTICIPATION)
    assert prediction.emotion.awareness_shift == kept == tuple(prediction.emotion.intensity_delta)
    labels = encode_labels(
        decode_outputs(outputs(emotion__intensity_delta=[0.01] * 8, emotion__awareness_shift=[9] * 8))
    )
    assert not labels[26:].any()


def test_a_prediction_with_a_shift_and_no_delta_is_refused() -> None:
    with pytest.raises(StorytellerError, match=r"awareness_shift has Anger, which has no intensity_delta"):
        EmotionPrediction(intensity_delta={Primary.JOY: 0.2}, awareness_shift=(Primary.JOY, Primary.ANGER))


def test_float64_is_rounded_to_float32_before_it_is_read() -> None:
    vector = np.zeros(42)
    vector[14] = 0.5 + 1e-9
    vector[6] = 1e300
    prediction = decode_outputs(vector)
    assert prediction.speech.occurs is False
    assert prediction.action.confidence == INF


def test_numbers_that_are_not_finite_are_read_but_are_no_label() -> None:
    prediction = decode_outputs(np.full(42, NAN))
    assert math.isnan(prediction.action.confidence)
    assert prediction.emotion == EmotionPrediction(intensity_delta={})
    with pytest.raises(StorytellerError, match=r"label action.confidence is nan; expected a finite number"):
        encode_labels(prediction)
    too_large = replace(EXAMPLE, speech=replace(EXAMPLE.speech, confidence=INF))
    with pytest.raises(StorytellerError, match=r"label speech.confidence is inf"):
        encode_labels(too_large)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(41), r"expected 42 outputs \(action 14, speech 6, thought 6, emotion 16\), got shape \(41,\)"),
        (np.zeros(453), r"got shape \(453,\)"),
        ([], r"got shape \(0,\)"),
        (0.5, r"got shape \(\)"),
        (np.zeros((2, 42)), r"expected one vector of 42 outputs, got shape \(2, 42\); .*decode_outputs_batch"),
        (np.zeros((1, 1, 42)), r"expected one vector of 42 outputs, got shape \(1, 1, 42\)"),
        (["1"] * 42, "got values of type <U1"),
        ([None] * 42, "got values of type object"),
        ([True] * 42, "got values of type bool"),
        ([[1, 2], [3]], "expected 42 output numbers"),
    ],
)
def test_anything_but_42_numbers_is_refused(vector: ArrayLike, message: str) -> None:
    with pytest.raises(StorytellerError, match=message):
        decode_outputs(vector)
