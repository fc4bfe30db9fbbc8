"""Encoding and decoding by Rust and by Python give the same, bit for bit and field by field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rust_engine import EngineError
from storyteller_schema.contract.features import FEATURES, encode_features
from storyteller_schema.contract.predictions import Prediction, decode_outputs
from storyteller_schema.contract.record import from_json, to_json
from strategies import raw_outputs, scenarios

pytestmark = pytest.mark.engine

T = TypeVar("T")


def examples(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """As many values as asked for, so that one run of the program takes them all."""
    found: list[T] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    collect()
    assert len(found) >= count
    return found


def test_features_are_equal_bit_for_bit(engine: Callable[..., list[Any]]) -> None:
    given_scenarios = examples(scenarios, 200)
    encoded = engine("encode", lines=map(to_json, given_scenarios))
    assert len(encoded) == len(given_scenarios)
    for scenario, floats in zip(given_scenarios, encoded, strict=True):
        ours = encode_features(scenario)
        theirs = np.array(floats, dtype=np.float32)
        assert theirs.shape == ours.shape
        wrong = np.flatnonzero(ours.view(np.uint32) != theirs.view(np.uint32))
        names = [FEATURES.float_names[index] for index in wrong]
        assert not names, f"{names}: Python {ours[wrong]}, Rust {theirs[wrong]}, of {to_json(scenario).decode()}"


def test_predictions_are_equal_field_by_field(engine: Callable[..., list[Any]]) -> None:
    vectors = [*examples(raw_outputs, 300), *_boundaries()]
    decoded = engine("decode", lines=(json.dumps(vector.tolist()) for vector in vectors))
    for vector, prediction in zip(vectors, decoded, strict=True):
        assert from_json(Prediction, json.dumps(prediction)) == decode_outputs(vector), vector.tolist()


def _boundaries() -> list[NDArray[np.float32]]:
    """Every cut of the rules with the float32 on either side of it; every half, where rounding turns; both extremes."""
    cuts = np.array([0.5, 0.01, -0.01, *(half + 0.5 for half in range(9)), 255.5, -0.5, 0.0, -0.0], dtype=np.float32)
    around = [np.nextafter(cuts, np.float32(side)) for side in (-np.inf, np.inf)]
    extremes = np.array([np.finfo(np.float32).max, np.finfo(np.float32).min])
    return [np.full(42, value, dtype=np.float32) for value in np.concatenate([cuts, *around, extremes])]


def test_another_number_of_outputs_is_an_error(engine: Callable[..., list[Any]]) -> None:
    for count in (41, 43):
        with pytest.raises(EngineError, match=f"expected 42 outputs, got {count}"):
            engine("decode", lines=[json.dumps([0.0] * count)])
