from __future__ import annotations

import numpy as np
import pytest
from storyteller_exporter.evaluate.calibration import calibration, calibrations
from storyteller_schema.contract.predictions import PREDICTIONS


def test_the_error_is_the_weighted_distance_of_probability_and_share() -> None:
    # Three predictions at 0.9, two of them right; one at 0.1 that happens.
    found = calibration(np.array([0.9, 0.9, 0.9, 0.1]), np.array([True, True, False, True]))
    assert [(one.count, one.share) for one in found.bins] == [(1, 1.0), (3, pytest.approx(2 / 3))]
    assert found.ece == pytest.approx((3 * (0.9 - 2 / 3) + 0.9) / 4)


def test_probabilities_that_are_what_they_say_have_no_error() -> None:
    rng = np.random.default_rng(1)
    chances = rng.random(200_000)
    assert calibration(chances, rng.random(200_000) < chances).ece < 0.01
    assert calibration(chances, rng.random(200_000) < chances**3).ece > 0.1


def test_certainty_falls_into_the_last_bin() -> None:
    assert calibration(np.array([1.0, 1.0]), np.array([True, True])).bins[0].probability == 1.0


def test_fields_without_a_label_are_left_out() -> None:
    labels = np.zeros((3, PREDICTIONS.size), np.float32)
    labels[:, PREDICTIONS.span("action.type").start] = 1
    found = calibrations(np.zeros_like(labels), labels)
    assert list(found) == ["action.type", "speech.occurs", "emotion.awareness_shift"]
    assert found["action.type"].bins[0].probability == pytest.approx(1 / 6)
