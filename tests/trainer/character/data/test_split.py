"""The split: whole cells, as near to the share as they allow, and the same whatever the order of the file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.chunks import count_elsewhere
from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.data.split import Split, count_shared, split_by_cell


def names(count: int) -> tuple[Cell, ...]:
    return tuple(Cell(f"a{index:04}", "b", "d", "p", True) for index in range(count))


def split(sizes: list[int], fraction: float = 0.2, seed: int = 42) -> Split:
    cells = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return split_by_cell(cells, names(len(sizes)), fraction, seed)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=5, max_size=60),
    fraction=st.floats(0.3, 0.7),
    seed=st.integers(0, 2**64),
)
def test_whole_cells_near_the_share(sizes: list[int], fraction: float, seed: int) -> None:
    cells = np.repeat(np.arange(len(sizes)), sizes)
    try:
        train, validation = split(sizes, fraction, seed)
    except StorytellerError:
        return  # a side without a cell; see below
    assert not set(cells[train]) & set(cells[validation])
    assert sorted([*train, *validation]) == list(range(len(cells)))
    left = [size for cell, size in enumerate(sizes) if cell in set(cells[train])]
    missing = fraction * len(cells) - len(validation)
    assert missing <= min(left), "another cell would have fitted"
    assert -missing <= max(sizes) / 2


def test_equal_cells_give_the_exact_share() -> None:
    train, validation = split([12] * 1000)
    assert (len(train), len(validation)) == (9600, 2400)


def test_the_order_of_the_file_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 40, 500, dtype=np.int32)
    shuffled = rng.permutation(500)
    plain = split_by_cell(cells, names(40), 0.2, 7)
    mixed = split_by_cell(cells[shuffled], names(40), 0.2, 7)
    assert set(shuffled[mixed.validation]) == set(plain.validation)


def test_positions_ascend() -> None:
    rng = np.random.default_rng(0)
    for side in split_by_cell(rng.integers(0, 9, 100, dtype=np.int32), names(9), 0.3, 1):
        assert (np.diff(side) > 0).all()


def test_the_seed_decides() -> None:
    same = [split([5] * 30, seed=seed).validation.tolist() for seed in (1, 1, 2)]
    assert same[0] == same[1]
    assert same[0] != same[2]


def test_a_cell_added_elsewhere_moves_few_others() -> None:
    """The order of cells is by hash of each one alone, so more data does not reshuffle what was held out."""
    before = set(np.repeat(np.arange(50), 4)[split([4] * 50).validation])
    after = set(np.repeat(np.arange(55), 4)[split([4] * 55).validation])
    assert len(before - after) <= 3


def test_the_split_of_this_seed_stays_as_it_is() -> None:
    """Frozen: another split would make results incomparable with earlier ones."""
    assert sorted(set(np.repeat(np.arange(20), 3)[split([3] * 20).validation].tolist())) == [3, 14, 17, 19]


def test_one_cell_only_is_refused() -> None:
    with pytest.raises(StorytellerError, match=r"all 30 examples come from one cell .*'a0000'.*add examples"):
        split([30])


@pytest.mark.parametrize(
    ("sizes", "fraction", "side"),
    [([50, 50], 0.2, "validation"), ([10] * 3, 0.01, "validation"), ([10] * 3, 0.99, "training")],
)
def test_a_side_without_a_cell_is_refused(sizes: list[int], fraction: float, side: str) -> None:
    with pytest.raises(StorytellerError, match=f"leaves the {side} side without a cell: {len(sizes)} cells hold"):
        split(sizes, fraction)


def test_two_cells_can_be_halved() -> None:
    train, validation = split([50, 50], 0.5)
    assert (len(train), len(validation)) == (50, 50)


def rows(numbers: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Rows that differ in one place alone."""
    features = np.random.default_rng(1).random(453, dtype=np.float32) * np.ones((len(numbers), 1), np.float32)
    features[:, 17] = numbers
    return features


@given(st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, 2.0])] * 3), min_size=2, max_size=40))
def test_as_many_are_counted_as_a_slow_comparison_finds(found: list[tuple[float, ...]]) -> None:
    half = len(found) // 2
    split = Split(train=np.arange(half), validation=np.arange(half, len(found)))
    slow = sum(any(row == other for other in found[:half]) for row in found[half:])
    assert count_shared(split, np.array(found, np.float32)) == slow


def test_rows_on_both_sides_are_counted() -> None:
    split = Split(train=np.array([0, 1, 2]), validation=np.array([3, 4, 5]))
    digests = np.array([1, 2, 3, 2, 2, 9], np.uint64)
    assert count_shared(split, rows([1, 2, 3, 2, 2, 9])) == 2
    assert count_shared(split, rows([0.0, 2, 3, -0.0, 4, 5])) == 1, "the same number, written in another way"
    assert count_shared(split, rows([1, 2, 3, 4, 5, 6])) == 0
    assert count_elsewhere(np.array([0, 0, 0, 1, 2, 0], np.int32), digests) == 2
    assert count_elsewhere(np.zeros(6, np.int32), digests) == 0, "repeated, and under the same cell"
    assert count_elsewhere(np.zeros(0, np.int32), np.zeros(0, np.uint64)) == 0
