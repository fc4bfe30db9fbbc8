"""How sure a difference between two models is that were judged on the same examples: a paired bootstrap.

Every figure is computed from sums over the examples, so that a resample needs nothing but how often each group of
examples that go together was drawn. The pairing is in that both models are given the same draws.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

#: Resamples of the groups, with replacement.
RESAMPLES = 2000
SEED = 0
#: Differences up to this are what two runtimes make of the same weights, however regular they are.
ROUNDING = 1e-5

Doubles = NDArray[np.float64]
#: From sums [..., K] to a figure [...]; NaN where the sums do not tell it.
Statistic: TypeAlias = Callable[[Doubles], Doubles]


class Outcome(StrEnum):
    """What a difference comes to, for the second model."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "no difference shown"


class FigureDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of two models on the same examples."""

    name: str
    kind: Literal["loss", "accuracy", "F1"]
    first: float
    second: float
    #: The second less the first.
    difference: float
    #: Of the difference, at 95 %.
    low: float
    high: float
    outcome: Outcome

    @property
    def lower_is_better(self) -> bool:
        """Of losses only."""
        return self.kind == "loss"

    @property
    def worst_case(self) -> float:
        """By how much the second may be worse than the first, at the worse end of the interval; below 0 is better."""
        return self.high if self.lower_is_better else -self.low


def draws(groups: int) -> Doubles:
    """[RESAMPLES, groups]: how often each group is drawn."""
    drawn = np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1 / groups), RESAMPLES)
    return drawn.astype(np.float64)


def sums_by_group(values: NDArray[np.generic], groups: NDArray[np.intp], count: int) -> Doubles:
    """[groups, K] of values [n, K] and the group of each row."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


def paired(
    name: str,
    kind: Literal["loss", "accuracy", "F1"],
    sums: tuple[Doubles, Doubles],
    statistic: Statistic,
    drawn: Doubles,
) -> FigureDifference:
    """
    Args:
        sums: of either model, by group [groups, K].
        statistic: what makes the figure of sums.
        drawn: from `draws`.
    """
    first, second = (float(np.nan_to_num(statistic(each.sum(axis=0)))) for each in sums)
    before, after = (statistic(drawn @ each) for each in sums)
    # A figure that only one of them tells is 0 for the other, as an F1 is; what neither tells says nothing.
    told = np.isfinite(before) | np.isfinite(after)
    resampled = np.nan_to_num(after[told]) - np.nan_to_num(before[told]) if told.any() else np.zeros(1)
    low, high = (float(value) for value in np.percentile(resampled, (2.5, 97.5)))
    if low <= ROUNDING and high >= -ROUNDING:
        outcome = Outcome.UNDECIDED
    else:
        outcome = Outcome.BETTER if (high < 0) == (kind == "loss") else Outcome.WORSE
    return FigureDifference(
        name=name,
        kind=kind,
        first=first,
        second=second,
        difference=second - first,
        low=low,
        high=high,
        outcome=outcome,
    )


def mean(sums: Doubles) -> Doubles:
    """Of what was summed, with the number of summands behind it [..., 2]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])
