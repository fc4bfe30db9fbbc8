"""What was taken for what: tables of counts, of event kinds and of entity categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.events import EntityCategory, EventKind, Span

#: Row to column to count.
Confusion = dict[str, dict[str, int]]

#: The column of a kind that was missed while nothing wrong was predicted, and the row of a wrong kind beside which
#: nothing was missed.
NOTHING = "nothing"
#: The column of an entity that overlaps predicted ones, none of which has its borders.
BORDERS = "borders"
#: The column of an entity that no predicted one overlaps, and the row of a predicted one that overlaps no entity.
MISSED = "missed"
SPURIOUS = "spurious"


def event_confusion(annotated: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Confusion:
    """Which kinds were predicted in the place of which missed ones.

    A sentence has several kinds, so a kind that was found counts on the diagonal, whatever else went wrong. A missed
    kind counts under every wrong kind of its sentence, or under `nothing` if there is none: a row may sum to more than
    the kind's annotations. A wrong kind of a sentence that misses none counts in the row `nothing`.

    Args:
        annotated: [n, 8] bool.
        predicted: [n, 8] bool.

    Returns:
        Rows: the annotated kinds and `nothing`; columns: the predicted kinds and `nothing`.
    """
    size = len(EventKind)
    counts = np.zeros((size + 1, size + 1), np.int64)
    for wanted, found in zip(annotated, predicted, strict=True):
        right = wanted & found
        counts[np.flatnonzero(right), np.flatnonzero(right)] += 1
        missed, wrong = np.flatnonzero(wanted & ~found), np.flatnonzero(found & ~wanted)
        if len(missed) or len(wrong):
            rows, columns = missed if len(missed) else [size], wrong if len(wrong) else [size]
            counts[np.ix_(rows, columns)] += 1
    names = [*EventKind.labels(), NOTHING]
    return {row: dict(zip(names, map(int, line), strict=True)) for row, line in zip(names, counts, strict=True)}


def entity_confusion(annotated: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Confusion:
    """What became of each annotated entity: the category of the predicted span with the same borders, or `borders`
    where predicted spans only overlap it, or `missed`.

    Every annotated entity counts once, so a row sums to its category's annotations and the diagonal holds the exact
    finds. The row `spurious` counts predicted spans, by category, that overlap no entity.

    Args:
        annotated: for each text its spans.
        predicted: the same for what was found.
    """
    categories = EntityCategory.labels()
    counts = {row: dict.fromkeys((*categories, BORDERS, MISSED), 0) for row in (*categories, SPURIOUS)}
    for wanted, found in zip(annotated, predicted, strict=True):
        exact = {(span.start, span.end): span.category.value for span in found}
        for span in wanted:
            otherwise = BORDERS if _overlaps(span, found) else MISSED
            counts[span.category.value][exact.get((span.start, span.end), otherwise)] += 1
        for span in found:
            counts[SPURIOUS][span.category.value] += not _overlaps(span, wanted)
    return counts


def _overlaps(span: Span, others: Sequence[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)
