"""Encoding and decoding by Rust and by Python give the same, bit for bit and field by field."""

from __future__ import annotations

import json
import math
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
from strategies import any_outputs, raw_outputs, scenarios

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
    decoded = engine("decode", lines=map(_line, vectors))
    for vector, prediction in zip(vectors, decoded, strict=True):
        assert from_json(Prediction, json.dumps(prediction)) == decode_outputs(vector), vector.tolist()


def test_outputs_with_nan_and_infinities_are_read_alike(engine: Callable[..., list[Any]]) -> None:
    rng = np.random.default_rng(13)
    pool = np.array([np.nan, np.inf, -np.inf, 0.0, 0.01, -0.02, 0.5, 0.6, 3.0], dtype=np.float32)
    sown = rng.normal(size=(1500, 42)).astype(np.float32)
    holes = rng.random(sown.shape) < 0.3
    sown[holes] = rng.choice(pool, size=holes.sum())
    vectors = [*examples(any_outputs, 300), *sown]
    decoded = engine("decode", lines=map(_line, vectors))
    for vector, prediction in zip(vectors, decoded, strict=True):
        assert _float32(prediction) == _float32(json.loads(to_json(decode_outputs(vector)))), vector.tolist()


def _line(vector: NDArray[np.float32]) -> str:
    """Outputs as the program takes them: null for NaN, and for infinity a number that no float32 holds."""
    return json.dumps(
        [None if math.isnan(x) else x if math.isfinite(x) else math.copysign(1e39, x) for x in vector.tolist()]
    )


def _float32(value: Any) -> Any:
    """Parsed JSON with every number rounded to float32: the two sides write the same one with more or fewer digits."""
    if isinstance(value, dict):
        return {key: _float32(inner) for key, inner in value.items()}
    return float(np.float32(value)) if isinstance(value, float) else value


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
