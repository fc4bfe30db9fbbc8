from __future__ import annotations

import numpy as np
import pytest
from storyteller_exporter.evaluate.intervals import mean_of_groups, share


def test_wilson_gives_the_published_interval() -> None:
    # Newcombe (1998), table I: 81 of 263 is 0.2553 to 0.3662, 0 of 20 is 0 to 0.1611.
    found = share(81, 263)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    none = share(0, 20)
    assert none is not None
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert none.value == none.low == 0.0


def test_a_share_of_nothing_is_none() -> None:
    assert share(0, 0) is None
    assert mean_of_groups(np.empty(0), np.empty(0, np.int64)) is None


def test_groups_whose_members_agree_count_once() -> None:
    rng = np.random.default_rng(0)
    by_group = rng.normal(size=40)
    alone = mean_of_groups(by_group, np.arange(40))
    repeated = mean_of_groups(np.repeat(by_group, 25), np.repeat(np.arange(40), 25))
    assert alone is not None
    assert repeated is not None
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high))
    expected = by_group.std(ddof=1) / np.sqrt(40) * 1.96
    assert alone.high == pytest.approx(by_group.mean() + expected)


def test_one_group_says_nothing_of_its_interval() -> None:
    found = mean_of_groups(np.array([1.0, 3.0]), np.array([4, 4]))
    assert found is not None
    assert (found.value, found.low, found.high) == (2.0, None, None)
    assert found.reach(".2f") == ""
