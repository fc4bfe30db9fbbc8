"""The last maximum wins; a NaN compares as equal to everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from storyteller_schema.contract.rules import last_argmax

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "position"),
    [
        ([1, 3, 2], 1),
        ([3, 1, 3, 2], 2),
        ([0, 0, 0, 0], 3),
        ([0.0, -0.0], 1),
        ([-0.0, 0.0, -1.0], 1),
        ([NAN, 1, 0], 1),
        ([1, NAN], 1),
        ([1, NAN, 0], 2),
        ([2, 1, NAN, 0, -1], 3),
        ([2, NAN, 0, 1, 0], 3),
        ([NAN, -INF, 0, NAN], 3),
        ([INF, NAN, -INF], 2),
        ([NAN, NAN, NAN], 2),
        ([INF, INF, 0], 1),
        ([-INF, -INF], 1),
        ([5], 0),
    ],
)
def test_the_last_of_the_largest(values: list[float], position: int) -> None:
    assert last_argmax(values) == position


@given(st_numpy.arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(1, 6)), elements=st.integers(-2, 2)))
def test_every_row_is_read_alone(rows: NDArray[np.float32]) -> None:
    expected = [max((value, position) for position, value in enumerate(row))[1] for row in rows.tolist()]
    assert last_argmax(rows).tolist() == expected


def scanned(values: list[float]) -> int:
    """The engine's scan, written down once more."""
    held = 0
    for position, value in enumerate(values):
        if not values[held] > value:
            held = position
    return held


@given(
    st_numpy.arrays(
        np.float32,
        st.tuples(st.integers(0, 4), st.integers(1, 8)),
        elements=st.sampled_from([NAN, INF, -INF, 0.0, -0.0, 1.0, 2.0]) | st.floats(width=32),
    )
)
def test_rows_with_nan_are_scanned_from_their_start(rows: NDArray[np.float32]) -> None:
    assert last_argmax(rows).tolist() == [scanned(row) for row in rows.tolist()]
