"""Rows of one or several tables, in memory or mapped, and what the system is told about them."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from storyteller_trainer.character.data import rows as rows_module
from storyteller_trainer.character.data.rows import Rows, Stacked, fetch_ahead, release, take

#: A row is 800 bytes: about five to a page.
COLUMNS = 200


def mapped(path: Path, first: int, stop: int) -> NDArray[np.float32]:
    """Rows whose numbers are all the number of the row, read through a mapping."""
    np.save(path, np.repeat(np.arange(first, stop, dtype=np.float32)[:, None], COLUMNS, 1))
    table: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return table


@pytest.fixture(params=["one", "several"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Rows:
    """3,000 mapped rows in one file or in three."""
    if request.param == "one":
        return mapped(tmp_path / "a.npy", 0, 3000)
    borders = [(0, 1000), (1000, 1001), (1001, 3000)]
    return Stacked([np.asarray(mapped(tmp_path / f"{first}.npy", first, stop)) for first, stop in borders])


def test_rows_of_several_arrays() -> None:
    parts = [np.arange(n * 2, dtype=np.float32).reshape(n, 2) + 100 * n for n in (3, 1, 4)]
    whole, stacked = np.concatenate(parts), Stacked(parts)
    assert (len(stacked), stacked.shape) == (8, (8, 2))
    for rows in ([0, 7, 3, 3], [2], [], list(range(8))):
        np.testing.assert_array_equal(stacked[np.array(rows, np.intp)], whole[rows])
    for some in (slice(None), slice(2, 6), slice(-3, None), slice(None, None, -2), slice(5, 5), slice(6, 99)):
        np.testing.assert_array_equal(stacked[some], whole[some])
    np.testing.assert_array_equal(np.asarray(stacked), whole)


def test_what_was_released_can_be_read_again(table: Rows) -> None:
    for _ in range(2):
        assert table[np.array([5, 1000, 2999])][:, 0].tolist() == [5, 1000, 2999]
        release(table)


def test_rows_are_taken_a_few_at_a_time_and_their_pages_released(table: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[int] = []
    monkeypatch.setattr(rows_module, "_AT_ONCE", 400)
    monkeypatch.setattr(rows_module, "advise", lambda mapping, advice, start, length: released.append(advice))
    assert take(table, np.arange(0, 3000, 3))[:, 0].tolist() == list(range(0, 3000, 3))
    files = len(table.parts) if isinstance(table, Stacked) else 1
    assert released == [mmap.MADV_DONTNEED] * 3 * files
    assert take(table, np.arange(0)).shape == (0, COLUMNS)


@pytest.mark.parametrize(
    "wanted",
    [[0], [2999], [999, 1000, 1001], [10, 20, 30, 500, 2000, 2001], list(range(3000)), list(range(0, 3000, 100))],
    ids=["first", "last", "borders", "runs", "all", "far apart"],
)
def test_the_system_is_asked_for_the_wanted_rows(
    table: Rows, monkeypatch: pytest.MonkeyPatch, wanted: list[int]
) -> None:
    fetched: list[bytes] = []

    def advise(mapping: mmap.mmap, advice: int, start: int, length: int) -> None:
        assert advice == mmap.MADV_WILLNEED
        mapping.madvise(advice, start, length)  # refuses a start within a page
        fetched.append(mapping[start : start + length])

    monkeypatch.setattr(rows_module, "advise", advise)
    fetch_ahead(table, np.array(wanted))
    for row in wanted:
        assert any(np.full(COLUMNS, row, "<f4").tobytes() in each for each in fetched)
    # At both ends of a run a page, and between its rows what is not worth leaving out.
    assert sum(map(len, fetched)) <= len(wanted) * (64 * 4 * COLUMNS + 2 * mmap.PAGESIZE)


def test_nothing_is_asked_for_of_tables_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "advise", None)
    values = np.zeros((10, 2), np.float32)
    for table in (values, Stacked([values, values])):
        fetch_ahead(table, np.array([3, 7]))
        release(table)
    fetch_ahead(values, np.array([], np.intp))
