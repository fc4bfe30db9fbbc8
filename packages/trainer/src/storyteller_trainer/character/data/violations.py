"""The numeric rules of an example, checked for whole chunks of rows at once.

Every rule derives from the layout. A one-hot holds exactly one 1 and otherwise 0; in the features it may also be all
zero where its whole slot is (an empty slot). In the labels only the speech register may be all zero, and only where no
speech occurs. Groups and slots are runs of columns, so differences of one running sum count them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.enums import Primary
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Kind, Layout
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.reading.problems import Problem, ProblemKind

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Violation:
    """A rule broken by one row of a chunk."""

    row: int
    kind: ProblemKind
    field: str
    found: str
    expected: str

    def at_line(self, line: int) -> Problem:
        """The same, told by the line of the file instead of the row of the chunk."""
        return Problem(line=line, kind=self.kind, field=self.field, found=self.found, expected=self.expected)


@dataclass(frozen=True)
class _OneHots:
    """The one-hots of a layout: G groups of columns, in S slots."""

    names: tuple[str, ...]
    spans: tuple[slice, ...]
    #: [2, G]: first column of each group, and the one after its last.
    groups: NDArray[np.intp]
    #: [2, G]: the same of the slot that each group is in.
    slots: NDArray[np.intp]
    #: [size]: the column belongs to a group.
    columns: Mask


def _one_hots(layout: Layout) -> _OneHots:
    names, spans, slots = [], [], []
    for region in layout.regions:
        for slot in range(region.slots):
            start = region.offset + slot * region.per_slot
            for field in region.fields:
                if field.kind is Kind.ONE_HOT:
                    span = region.locate(field.name, slot)
                    spans.append(span)
                    slots.append((start, start + region.per_slot))
                    names.append(layout.float_names[span.start].rpartition("[")[0])
    columns = np.zeros(layout.size, np.bool_)
    for span in spans:
        columns[span] = True
    groups = np.array([(span.start, span.stop) for span in spans])
    return _OneHots(tuple(names), tuple(spans), groups.T, np.array(slots).T, columns)


@cache
def _feature_one_hots() -> _OneHots:
    return _one_hots(FEATURES)


@cache
def _label_one_hots() -> _OneHots:
    return _one_hots(PREDICTIONS)


def _broken(values: Floats, rules: _OneHots) -> tuple[Mask, Mask, Mask]:
    """Three masks [rows, G]: groups that are not one-hot, groups that are all zero, groups whose slot is all zero."""
    nonzero = values != 0
    before = _running_sum(nonzero)
    filled = _counts(before, rules.groups)
    broken = filled != 1
    # A number other than 0 and 1 is rare, so its group is looked for only where there is one.
    strange = nonzero & (values != 1) & rules.columns
    if strange.any():
        broken |= _counts(_running_sum(strange), rules.groups) != 0
    return broken, filled == 0, _counts(before, rules.slots) == 0


def _running_sum(mask: Mask) -> NDArray[np.int16]:
    """[rows, columns + 1]: how many of the columns before each one are set."""
    before = np.zeros((len(mask), mask.shape[1] + 1), np.int16)
    np.cumsum(mask, axis=1, out=before[:, 1:])
    return before


def _counts(before: NDArray[np.int16], runs: NDArray[np.intp]) -> NDArray[np.int16]:
    """[rows, runs]: how many columns of each run are set, by the running sum."""
    first, stop = runs
    counts: NDArray[np.int16] = before[:, stop] - before[:, first]
    return counts


def violations(features: Floats, labels: Floats) -> Iterator[Violation]:
    """Every rule that the rows of a chunk break, in no particular order of rows.

    Args:
        features: [rows, inputs] float32, finite.
        labels: [rows, outputs] float32, finite.
    """
    yield from _feature_violations(features)
    yield from _label_one_hot_violations(labels)
    yield from _binary_violations(labels)
    yield from _dominant_violations(labels)


def _feature_violations(features: Floats) -> Iterator[Violation]:
    rules = _feature_one_hots()
    broken, _, empty = _broken(features, rules)
    broken &= ~empty
    yield from _report(broken, features, rules, "one 1 and otherwise 0 is expected, or a slot that is all zero")


def _label_one_hot_violations(labels: Floats) -> Iterator[Violation]:
    rules = _label_one_hots()
    broken, zero, _ = _broken(labels, rules)
    register = rules.names.index("speech.register")
    silent = labels[:, PREDICTIONS.span("speech.occurs")] == 0
    broken[:, register] &= ~(zero[:, register] & silent[:, 0])
    yield from _report(broken, labels, rules, "one 1 and otherwise 0 is expected")


def _report(broken: Mask, values: Floats, rules: _OneHots, expected: str) -> Iterator[Violation]:
    for row, group in np.argwhere(broken):
        found = [float(value) for value in values[row, rules.spans[group]]]
        yield Violation(int(row), ProblemKind.ONE_HOT, rules.names[group], str(found), expected)


@cache
def _binary_columns() -> NDArray[np.intp]:
    columns = [
        np.arange(region.locate(field.name).start, region.locate(field.name).stop)
        for region in PREDICTIONS.regions
        for field in region.fields
        if field.kind is Kind.BINARY
    ]
    return np.concatenate(columns)


def _binary_violations(labels: Floats) -> Iterator[Violation]:
    columns = _binary_columns()
    values = labels[:, columns]
    for row, index in np.argwhere((values != 0) & (values != 1)):
        name = PREDICTIONS.float_names[columns[index]]
        yield Violation(int(row), ProblemKind.BINARY, name, f"{values[row, index]:g}", "0 or 1 is expected")


def _dominant_violations(labels: Floats) -> Iterator[Violation]:
    span = PREDICTIONS.span("thought.dominant_emotion_index")
    index = labels[:, span.start]
    last = len(Primary) - 1
    for (row,) in np.argwhere((index < 0) | (index > last) | (index != np.floor(index))):
        name, expected = PREDICTIONS.float_names[span.start], f"a whole number from 0 to {last} is expected"
        yield Violation(int(row), ProblemKind.RANGE, name, f"{index[row]:g}", expected)
