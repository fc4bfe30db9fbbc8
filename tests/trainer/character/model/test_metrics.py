"""Metrics against counts made by hand, and their independence from how the examples are batched."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.model.metrics import Metrics, MetricsCounter

Array = NDArray[np.float32]


def count(outputs: Array, labels: Array, batch: int = 1000) -> Metrics:
    counter = MetricsCounter()
    for start in range(0, len(outputs), batch):
        counter.add(outputs[start : start + batch], labels[start : start + batch])
    return counter.result()


def blank(rows: int) -> tuple[Array, Array]:
    """Outputs and labels [rows, 42] that agree: the first class everywhere, everything else 0."""
    values = np.zeros((rows, 42), np.float32)
    values[:, [0, 9, 15, 20]] = 1
    return values.copy(), values


def at(name: str) -> slice:
    return PREDICTIONS.span(name)


def test_a_categorical_field_by_hand() -> None:
    outputs, labels = blank(6)
    labels[:, at("action.type")] = np.eye(6)[[0, 0, 0, 1, 1, 2]]
    outputs[:, at("action.type")] = 3 * np.eye(6)[[0, 0, 1, 1, 0, 1]]
    found = count(outputs, labels).categorical["action.type"]
    assert found.accuracy == pytest.approx(3 / 6)
    assert found.confusion[:3] == [[2, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]]
    perform, speak, move, examine = (found.classes[name] for name in ("Perform", "Speak", "Move", "Examine"))
    assert (perform.precision, perform.recall, perform.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (speak.precision, speak.recall, speak.f1) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert (move.precision, move.recall, move.f1, move.support) == (0, 0, 0, 1)
    assert (examine.precision, examine.recall, examine.f1, examine.support) == (0, 0, 0, 0)


def test_a_tie_goes_to_the_last_class_as_in_the_engine() -> None:
    outputs, labels = blank(1)
    outputs[:, at("thought.awareness")] = [1, 0, 1, 0, 0]
    assert count(outputs, labels).categorical["thought.awareness"].confusion[0] == [0, 0, 1, 0, 0]


def test_examples_without_a_register_are_left_out() -> None:
    outputs, labels = blank(3)
    labels[1, at("speech.register")] = 0
    found = count(outputs, labels).categorical["speech.register"]
    assert (found.examples, found.accuracy) == (2, 1)


def test_both_readings_of_a_binary_field() -> None:
    outputs, labels = blank(5)
    labels[:, 14] = [1, 1, 0, 0, 1]
    outputs[:, 14] = [0.9, 0.3, 0.4, -1, 0.5]  # 0.3 to 0.5 is yes at even odds, and no to the engine
    found = count(outputs, labels).binary["speech.occurs"]
    assert found.rate == pytest.approx(3 / 5)
    assert (found.at_even_odds.accuracy, found.at_even_odds.f1) == pytest.approx((4 / 5, 6 / 7))
    assert (found.as_engine.accuracy, found.as_engine.f1) == pytest.approx((3 / 5, 2 / 4))


def test_the_eight_shifts_count_together() -> None:
    outputs, labels = blank(2)
    labels[0, 34:38] = 1
    outputs[0, 26:28] = 0.2
    outputs[0, 34:36] = 2
    found = count(outputs, labels).binary["emotion.awareness_shift"]
    assert (found.rate, found.as_engine.accuracy, found.as_engine.f1) == pytest.approx((4 / 16, 14 / 16, 4 / 6))


def test_a_shift_whose_delta_is_dropped_is_no_shift_to_the_engine() -> None:
    outputs, labels = blank(1)
    labels[0, 34:38] = 1
    outputs[0, 26:30] = [0.2, 0.01, -0.02, np.nan]
    outputs[0, 34:38] = 2
    found = count(outputs, labels).binary["emotion.awareness_shift"]
    assert found.at_even_odds.f1 == 1
    assert found.as_engine.f1 == pytest.approx(4 / 6)


def test_errors_of_numbers() -> None:
    outputs, labels = blank(2)
    outputs[:, 6] = [1, -2]
    outputs[0, 26] = 4
    found = count(outputs, labels).continuous
    assert found["action.confidence"].mean_absolute_error == pytest.approx(1.5)
    assert found["action.confidence"].root_mean_square_error == pytest.approx(np.sqrt(2.5))
    assert found["emotion.intensity_delta"].mean_absolute_error == pytest.approx(4 / 16)
    assert found["action.confidence"].accuracy is None


def test_the_dominant_emotion_is_rounded_as_the_engine_does() -> None:
    outputs, labels = blank(6)
    labels[:, 25] = [3, 3, 7, 0, 2, 0]
    outputs[:, 25] = [2.5, 3.5, 900, -4, 2.4, np.nan]
    with np.errstate(invalid="ignore"):
        found = count(outputs, labels).continuous["thought.dominant_emotion_index"]
    assert found.accuracy == pytest.approx(5 / 6)


@pytest.mark.parametrize("batch", [1, 3, 7, 64])
def test_every_example_weighs_the_same(batch: int) -> None:
    rng = np.random.default_rng(1)
    outputs, labels = rng.normal(size=(20, 42)).astype(np.float32), blank(20)[1]
    labels[:, 14] = rng.integers(0, 2, 20)
    whole, parts = count(outputs, labels), count(outputs, labels, batch)
    assert parts.categorical == whole.categorical
    assert parts.binary == whole.binary
    for name, score in whole.continuous.items():
        assert parts.continuous[name].root_mean_square_error == pytest.approx(score.root_mean_square_error)


def test_perfect_predictions_are_perfect() -> None:
    outputs, labels = blank(4)
    labels[:, 14] = outputs[:, 14] = 1
    found = count(outputs, labels)
    assert all(field.accuracy == 1 for field in found.categorical.values())
    assert all(field.as_engine.accuracy == field.at_even_odds.accuracy == 1 for field in found.binary.values())
    assert all(field.root_mean_square_error == 0 for field in found.continuous.values())
