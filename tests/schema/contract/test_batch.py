"""The twins for whole batches do what the functions for one example do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.batch import Columns, decode_outputs_batch, encode_features_batch, encode_labels_batch
from storyteller_schema.contract.enums import Primary
from storyteller_schema.contract.features import FEATURES, encode_features
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import Prediction, decode_outputs, encode_labels
from storyteller_schema.contract.scenario import Scenario
from strategies import any_outputs, predictions, raw_outputs, scenarios


def feature_columns(vectors: NDArray[np.float32]) -> Columns:
    """Encoded scenarios taken apart again, a one-hot by the place of its 1 (-1 without one)."""
    columns: Columns = {}
    for region in FEATURES.regions:
        slots = vectors[:, region.span].reshape(len(vectors), region.slots, region.per_slot)
        slots = slots if region.slot_labels else slots[:, 0]
        for field in region.fields:
            floats = slots[..., region.within_slot(field.name)]
            hot = np.where(floats.any(axis=-1), floats.argmax(axis=-1), -1)
            columns[f"{region.name}.{field.name}"] = hot if field.kind is Kind.ONE_HOT else floats[..., 0]
    return columns


def prediction_columns(several: Sequence[Prediction]) -> Columns:
    """Predictions as columns, one by one."""
    return {
        "action.type": np.array([p.action.type.position for p in several]),
        "action.confidence": np.array([p.action.confidence for p in several]),
        "action.emotional_valence": np.array([p.action.emotional_valence for p in several]),
        "action.context": np.array([p.action.context.position for p in several]),
        "speech.occurs": np.array([p.speech.occurs for p in several]),
        "speech.register": np.array([p.speech.register.position for p in several]),
        "speech.confidence": np.array([p.speech.confidence for p in several]),
        "thought.awareness": np.array([p.thought.awareness.position for p in several]),
        "thought.dominant_emotion_index": np.array([p.thought.dominant_emotion.position for p in several]),
        "emotion.intensity_delta": np.array(
            [[p.emotion.intensity_delta.get(primary, 0.0) for primary in Primary] for p in several]
        ),
        "emotion.awareness_shift": np.array(
            [[primary in p.emotion.awareness_shift for primary in Primary] for p in several]
        ),
    }


@settings(max_examples=30)
@given(st.lists(scenarios, min_size=1, max_size=3))
def test_a_batch_of_features_is_its_rows(several: list[Scenario]) -> None:
    vectors = np.stack([encode_features(scenario) for scenario in several])
    np.testing.assert_array_equal(encode_features_batch(feature_columns(vectors)), vectors)


@given(st.lists(predictions, min_size=1, max_size=4))
def test_a_batch_of_labels_is_its_rows(several: list[Prediction]) -> None:
    batch = encode_labels_batch(prediction_columns(several))
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, np.stack([encode_labels(prediction) for prediction in several]))


@given(st.lists(raw_outputs, min_size=1, max_size=4))
def test_a_batch_of_outputs_is_read_as_its_rows(rows: list[NDArray[np.float32]]) -> None:
    columns = decode_outputs_batch(np.stack(rows))
    expected = prediction_columns([decode_outputs(row) for row in rows])
    assert columns.keys() == expected.keys()
    for name, column in columns.items():
        np.testing.assert_array_equal(column, expected[name], err_msg=name)
    read_again = decode_outputs_batch(encode_labels_batch(columns))
    for name, column in columns.items():
        np.testing.assert_array_equal(column, read_again[name], err_msg=name)


@given(st.lists(any_outputs, min_size=1, max_size=4))
def test_outputs_that_are_not_finite_are_read_as_one_by_one(rows: list[NDArray[np.float32]]) -> None:
    columns = decode_outputs_batch(np.stack(rows))
    for name, expected in prediction_columns([decode_outputs(row) for row in rows]).items():
        np.testing.assert_array_equal(columns[name], expected, err_msg=name)


def test_an_empty_batch_is_empty() -> None:
    columns = decode_outputs_batch(np.empty((0, 42)))
    assert {len(column) for column in columns.values()} == {0}
    assert encode_labels_batch(columns).shape == (0, 42)


def test_slots_beyond_the_regions_are_left_out_and_missing_ones_are_zero() -> None:
    full = feature_columns(np.arange(2 * 453, dtype=np.float32).reshape(2, 453) % 7)
    more = dict(full)
    fewer = dict(full)
    for name, column in full.items():
        if name.startswith("tensor."):
            more[name] = np.concatenate([column, column], axis=1)
            fewer[name] = column[:, :2]
    whole = encode_features_batch(full)
    np.testing.assert_array_equal(encode_features_batch(more), whole)
    short = encode_features_batch(fewer)
    np.testing.assert_array_equal(short[:, :26], whole[:, :26])
    assert not short[:, 26:208].any()


def labels_with(**changed: Any) -> Columns:
    """The columns of two valid examples, `__` standing for the dot; None takes a column away."""
    columns: dict[str, Any] = {
        **decode_outputs_batch(np.zeros((2, 42))),
        **{name.replace("__", "."): value for name, value in changed.items()},
    }
    return {name: value for name, value in columns.items() if value is not None}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (labels_with(action__type=None), "column 'action.type' is missing; expected action.type, action.confidence"),
        (labels_with(action__mood=[0, 0]), "column 'action.mood' is unknown"),
        (labels_with(action__target_index=[0, 0]), "column 'action.target_index' is unknown"),
        (labels_with(action__type=[0]), "columns have different numbers of examples: .*'action.type': 1"),
        (labels_with(action__type=[0, 6]), r"column 'action.type' has 6 at \(1, 0\); expected a position from 0 to 5"),
        (
            labels_with(action__type=[0, -1]),
            r"column 'action.type' has -1 at \(1, 0\); expected a position from 0 to 5",
        ),
        (labels_with(action__type=[0.0, 1.0]), "column 'action.type' holds float64; expected integer positions"),
        (labels_with(action__type=[[0, 1]]), r"column 'action.type' has shape \(1, 2\); expected \[n\]"),
        (labels_with(action__type=3), r"column 'action.type' has shape \(\); expected \[n\]"),
        (labels_with(speech__occurs=[0, 1]), "column 'speech.occurs' holds int64; expected booleans"),
        (labels_with(speech__confidence=["a", "b"]), "column 'speech.confidence' holds <U1; expected numbers"),
        (labels_with(speech__confidence=[0, float("nan")]), r"has nan at \(1, 0, 0\); expected a finite number"),
        (labels_with(speech__confidence=[0, 1e39]), r"has 1e\+39 at \(1, 0, 0\); expected a finite number"),
        (labels_with(emotion__intensity_delta=np.zeros((2, 7))), r"has shape \(2, 7\); expected \[n, 8\]"),
        (labels_with(emotion__intensity_delta=np.full((2, 8), 0.01)), "expected 0, or an absolute value above 0.01"),
        (labels_with(emotion__awareness_shift=np.eye(2, 8, 3) > 0), r"has 1.0 at \(0, 3\); expected 0 where the delta"),
        (labels_with(thought__dominant_emotion_index=[0, 8]), "expected a position in Primary"),
        (labels_with(thought__dominant_emotion_index=[0, 0.5]), "expected a position in Primary"),
    ],
)
def test_a_column_that_is_not_allowed_is_refused(columns: Columns, message: str) -> None:
    with pytest.raises(StorytellerError, match=message):
        encode_labels_batch(columns)


def test_only_a_region_of_several_slots_may_leave_one_empty() -> None:
    columns = feature_columns(np.zeros((1, 453), dtype=np.float32))
    with pytest.raises(StorytellerError, match=r"'scene_context.scene_type' has -1 .* from 0 to 3"):
        encode_features_batch(columns)
    columns["tensor.provenance"] = np.full((1, 16), -2)
    with pytest.raises(StorytellerError, match=r"'tensor.provenance' has -2 .* from -1 to 4"):
        encode_features_batch(columns)
    columns["tensor.provenance"] = np.zeros(1, dtype=np.int64)
    with pytest.raises(StorytellerError, match=r"'tensor.provenance' has shape \(1,\); expected \[n, slots\]"):
        encode_features_batch(columns)


@pytest.mark.parametrize("outputs", [np.zeros(42), np.zeros((3, 41)), np.zeros((1, 1, 42))])
def test_outputs_of_another_shape_are_refused(outputs: NDArray[np.float64]) -> None:
    with pytest.raises(StorytellerError, match="got shape"):
        decode_outputs_batch(outputs)
