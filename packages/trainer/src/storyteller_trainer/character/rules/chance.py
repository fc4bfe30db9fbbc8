"""Tests of labels that are drawn at random against the probabilities that a rule gives them.

Two figures are made, each of which bounds the probability, under the rule, that chance alone brings something as far
off or farther to one side: it is at most exp(-surprise). Neither is an approximation, so neither needs large counts.

- A count, by Hoeffding (1963, theorem 1): of m independent events with a mean probability p, a share q happens with a
  surprise of m (q log(q / p) + (1 - q) log((1 - q) / (1 - p))).
- The log-likelihood of all labels together, by Bernstein: a sum of independent deviations, each at most b, of variance
  v, comes to t with a surprise of t^2 / (2 (v + b t / 3)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storyteller_trainer.character.rules.array_views import Bool, Float64
from storyteller_trainer.character.rules.groups import Groups

#: A count is tested where so many events are expected, and so many of their opposite.
LEAST = 10
#: What is less likely than this counts as impossible: far below any probability of the rules, above rounding errors.
IMPOSSIBLE = 1e-9


@dataclass(frozen=True, kw_only=True)
class LabelDraw:
    """A label of n examples that is one of k outcomes."""

    rule: str
    outcomes: tuple[str, ...]
    #: [n, k]: 1 for what the label says, otherwise 0.
    happened: Float64
    #: [n, k]: by the rule.
    probabilities: Float64
    #: [n]: examples for which the rule speaks.
    rows: Bool


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """How far a figure is from what a rule says."""

    #: Infinite for what is impossible.
    surprise: float
    sentence: str


def impossible(draw: LabelDraw) -> Finding | None:
    """Labels that the rule gives a probability of 0, if there are any."""
    found = (draw.happened > 0) & (draw.probabilities < IMPOSSIBLE) & draw.rows[:, None]
    none = draw.rows & ~(draw.happened > 0).any(axis=1)
    if none.any():
        sentence = f"no outcome in {none.sum():,} of {draw.rows.sum():,} rows, one always expected"
        return Finding(surprise=np.inf, sentence=sentence)
    counts = found.sum(axis=0)
    if not counts.any():
        return None
    worst = int(counts.argmax())
    ruled_out = int((draw.rows & (draw.probabilities[:, worst] < IMPOSSIBLE)).sum())
    sentence = f"{draw.outcomes[worst]} in {counts[worst]:,} of {ruled_out:,} rows where it never happens by the rules"
    return Finding(surprise=np.inf, sentence=sentence)


def count_surprises(draws: Sequence[LabelDraw], groups: Groups) -> list[tuple[Finding | None, int]]:
    """For each label the greatest surprise among the counts of all outcomes in all groups, and how many it has."""
    if not draws:
        return []
    # One product for all: what is counted of every label side by side, in float32, which counts exactly this far.
    tables = []
    for draw in draws:
        rows = draw.rows[:, None]
        tables += [rows, np.where(rows, draw.happened, 0), np.where(rows, draw.probabilities, 0)]
    counts = groups.members @ np.concatenate(tables, axis=1, dtype=np.float32)
    parts = np.split(counts.astype(np.float64), np.cumsum([table.shape[1] for table in tables])[:-1], axis=1)
    return [_greatest(draw, groups, *parts[3 * i : 3 * i + 3]) for i, draw in enumerate(draws)]


def _greatest(
    draw: LabelDraw, groups: Groups, sizes: Float64, found: Float64, expected: Float64
) -> tuple[Finding | None, int]:
    """Of one label: sizes of the groups [G, 1], counts found and expected [G, k]."""
    if len(draw.outcomes) == 2:  # of which one says all
        found, expected = found[:, :1], expected[:, :1]
    tested = (expected >= LEAST) & (sizes - expected >= LEAST)
    if not tested.any():
        return None, 0
    surprises = np.where(tested, _relative_entropy(found, expected, sizes), -1)
    group, outcome = map(int, np.unravel_index(int(surprises.argmax()), surprises.shape))
    sentence = (
        f"{draw.outcomes[outcome]} in {found[group, outcome]:,.0f} of {sizes[group, 0]:,.0f} rows"
        f"{' ' if group else ''}{groups.names[group]}, {expected[group, outcome]:,.0f} expected"
    )
    return Finding(surprise=float(surprises.max()), sentence=sentence), int(tested.sum())


def likelihood_surprise(draw: LabelDraw) -> Finding | None:
    """The surprise of the log-likelihood; None where the labels are certain."""
    probabilities, happened = draw.probabilities[draw.rows], draw.happened[draw.rows]
    logarithms = np.log(np.where(probabilities < IMPOSSIBLE, 1, probabilities))
    means = (probabilities * logarithms).sum(axis=1)
    deviations = (happened * logarithms).sum(axis=1) - means
    variance = float((probabilities * (logarithms - means[:, None]) ** 2).sum())
    if variance < LEAST * IMPOSSIBLE:
        return None
    largest = float(np.where(probabilities < IMPOSSIBLE, 0, np.abs(logarithms - means[:, None])).max())
    total = float(deviations.sum())
    surprise = total**2 / (2 * (variance + largest * abs(total) / 3))
    mean = float(means.sum()) / len(means)
    sentence = f"a mean log-likelihood of {mean + total / len(means):.4f} in {len(means):,} rows, {mean:.4f} expected"
    return Finding(surprise=surprise, sentence=sentence)


def _relative_entropy(found: Float64, expected: Float64, sizes: Float64) -> Float64:
    """m (q log(q / p) + (1 - q) log((1 - q) / (1 - p))) for counts [G, k] of sizes [G, 1]."""
    total = np.zeros(found.shape)
    for count, mean in ((found, expected), (sizes - found, sizes - expected)):
        usable = (count > 0) & (mean > 0)
        ratio = np.where(usable, count, 1) / np.where(usable, mean, 1)
        total += np.where(usable, count * np.log(ratio), 0)
    return total
