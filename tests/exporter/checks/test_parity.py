"""The comparison itself, against plain arithmetic, and the cases it is fed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from storyteller_exporter.character.cases import character_cases, evenly_spaced, random_features
from storyteller_exporter.checks.parity import Case, compare
from storyteller_schema.contract.features import FEATURES
from storyteller_trainer.character.data.violations import violations

ONE = Case("one", {"x": np.zeros((1, 1))})
values = st_numpy.arrays(
    np.float32, (3, 2), elements=st.floats(-100, 100, width=32) | st.sampled_from([float("nan"), float("inf"), 0.0])
)


@given(values, st_numpy.arrays(np.float32, (3, 2), elements=st.floats(-(2.0**-10), 2.0**-10, width=32)))
def test_comparison_passes_exactly_where_every_row_is_near(
    expected: NDArray[np.float32], distance: NDArray[np.float32]
) -> None:
    found = expected + distance
    result = compare(ONE, "x", "y", found, expected, atol=1e-4, rtol=1e-5)
    near = all(
        abs(float(found[row, column]) - float(expected[row, column]))
        <= 1e-4 + 1e-5 * max(abs(float(value)) for value in expected[row])
        for row in range(3)
        for column in range(2)
    )
    assert result.passed == (bool(np.isfinite(expected).all()) and near)


def test_worst_place_and_share_are_reported() -> None:
    expected = np.array([[0.0, 1.0], [0.0, 100.0]], dtype=np.float32)
    distance = np.array([[0.003, 0.0], [0.0, 0.004]])
    result = compare(ONE, "x", "y", expected + distance, expected, atol=1e-3, rtol=1e-3)
    assert not result.passed
    # The largest difference stands elsewhere than the one that is furthest beyond its tolerance.
    assert result.worst == pytest.approx(0.004)
    assert result.share == pytest.approx(0.003 / (1e-3 + 1e-3))
    assert result.detail.startswith("at [0, 0]")


def test_outputs_that_cancel_are_measured_by_their_neighbours() -> None:
    expected = np.array([[1e-6, 1000.0]], dtype=np.float32)
    found = expected + np.array([[1e-3, 0.0]])
    assert compare(ONE, "x", "y", found, expected, atol=1e-5, rtol=1e-5).passed
    assert not compare(ONE, "x", "y", found[:, :1], expected[:, :1], atol=1e-5, rtol=1e-5).passed


def test_other_shape_fails_with_both_shapes() -> None:
    result = compare(ONE, "x", "y", np.zeros((2, 3)), np.zeros((2, 4)), atol=1, rtol=1)
    assert not result.passed
    assert result.detail == "shape [2, 3], expected [2, 4]"


def test_only_valid_places_are_compared() -> None:
    case = Case("masked", {"x": np.zeros((1, 2))}, valid=np.array([[True, False]]))
    found = np.array([[[1.0], [np.nan]]])
    expected = np.array([[[1.0], [5.0]]])
    assert compare(case, "x", "y", found, expected, atol=1e-6, rtol=0).passed
    assert not compare(case, "x", "y", found + 1, expected, atol=1e-6, rtol=0).passed


def test_random_rows_could_be_examples() -> None:
    rows = random_features(50, np.random.default_rng(0))
    labels = np.zeros((50, 42), dtype=np.float32)
    labels[:, [0, 9, 20]] = 1.0
    assert list(violations(rows, labels)) == []
    assert rows.dtype == np.float32


def test_cases_are_the_same_every_time_and_have_every_batch_size() -> None:
    first, second = character_cases(), character_cases()
    assert [case.batch for case in first] == [1, 2, 7, 256, 2, 64]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.feeds["features"], b.feeds["features"])
    assert float(np.abs(first[5].feeds["features"]).max()) == 1000


def test_real_rows_come_from_the_whole_file() -> None:
    positions = np.arange(5, 1005)
    chosen = evenly_spaced(positions, 256)
    assert len(chosen) == 256
    assert (chosen[0], chosen[-1]) == (5, 1004)
    assert evenly_spaced(positions[:3], 256).tolist() == [5, 6, 7]
    rows = np.zeros((3, FEATURES.size), dtype=np.float32)
    assert character_cases(rows)[-1].name == "real, batch 3"
