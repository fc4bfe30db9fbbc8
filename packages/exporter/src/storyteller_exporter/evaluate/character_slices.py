"""How good a character model is on parts of the data: where it is worse than elsewhere, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from storyteller_exporter.evaluate.intervals import Estimate, mean_of_groups, share
from storyteller_exporter.evaluate.judged import SITUATION, Judged, member
from storyteller_exporter.evaluate.row_figures import DOMINANT, JUDGED, Bools, Column, hits

#: What follows from the input with certainty, so that a slice's own ceiling is 100 % as that of all examples. The
#: other fields are drawn at random, and a slice may be harder by nature.
CERTAIN = ("thought.awareness", DOMINANT)
#: A slice counts as weak when the interval of so many standard errors lies below the figure of all examples. With a
#: hundred slices chance alone brings one such in three evaluations.
Z_WEAK = 3.0
#: Examples under which a slice is not called weak, and cells under which its interval is not to be trusted.
FEW = 30
FEW_CELLS = 5


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """The examples that have one thing in common."""

    #: `archetype`, `dynamic`, `profile`, `event`, `register` or `scene`.
    kind: str
    name: str
    examples: int
    cells: int
    #: The weighted loss; its interval knows that examples of a cell go together.
    loss: Estimate
    #: By judged field the share that is right, as the engine reads it.
    accuracy: dict[str, Estimate]
    #: The fields that follow from the input with certainty and are read right less often here than elsewhere.
    weak: list[str]


def slices(judged: Judged, losses: Column) -> list[Slice]:
    """Every slice with at least one example; within a kind the highest loss first.

    Args:
        losses: [n] weighted loss of every example.
    """
    read = hits(judged.raw, judged.labels)
    overall = {name: right.sum() / max(known.sum(), 1) for name, (known, right) in read.items()}
    found: list[Slice] = []
    for kind, names, codes in _partitions(judged):
        of_kind = []
        for code, name in names.items():
            here = codes == code
            loss = mean_of_groups(losses[here], judged.cells[here])
            if loss is not None:
                of_kind.append(_slice(kind, name, loss, here, judged, read, overall))
        found += sorted(of_kind, key=lambda one: -one.loss.value)
    return found


def _partitions(judged: Judged) -> Iterator[tuple[str, dict[int, str], NDArray[np.intp]]]:
    """Each kind of slice: its name, its slices by code, and [n] codes."""
    cells = judged.cells
    for kind, attribute in (("archetype", "archetype_a"), ("dynamic", "dynamic"), ("profile", "profile")):
        values = [getattr(cell, attribute) for cell in judged.data.cell_names]
        names = sorted(set(values))
        code_of = np.array([names.index(value) for value in values], np.intp)
        yield kind, dict(enumerate(names)), code_of[cells]
    for kind in SITUATION:
        codes = judged.situation[kind]
        yield kind, {int(code): member(kind, int(code)) for code in np.unique(codes)}, codes


def _slice(
    kind: str,
    name: str,
    loss: Estimate,
    here: Bools,
    judged: Judged,
    read: Mapping[str, tuple[Bools, Bools]],
    overall: Mapping[str, float],
) -> Slice:
    accuracy: dict[str, Estimate] = {}
    weak = []
    for field in JUDGED:
        known, right = (column[here] for column in read[field])
        count, hit = int(known.sum()), int(right.sum())
        estimate = share(hit, count)
        if estimate is None:
            continue
        accuracy[field] = estimate
        highest = share(hit, count, Z_WEAK)
        if field in CERTAIN and count >= FEW and highest and (highest.high or 0) < overall[field]:
            weak.append(field)
    cells = len(np.unique(judged.cells[here]))
    return Slice(kind=kind, name=name, examples=int(here.sum()), cells=cells, loss=loss, accuracy=accuracy, weak=weak)
