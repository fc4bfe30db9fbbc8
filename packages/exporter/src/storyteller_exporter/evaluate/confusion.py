"""What was taken for what: tables of counts, of event kinds and of entity categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.events import EntityCategory, EventKind, Span

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
    kinds = EventKind.labels()
    counts = {row: dict.fromkeys((*kinds, NOTHING), 0) for row in (*kinds, NOTHING)}
    for wanted, found in zip(annotated, predicted, strict=True):
        for kind in _labels(wanted & found):
            counts[kind][kind] += 1
        missed, wrong = _labels(wanted & ~found), _labels(found & ~wanted)
        if missed or wrong:
            for row in missed or [NOTHING]:
                for column in wrong or [NOTHING]:
                    counts[row][column] += 1
    return counts


def _labels(held: NDArray[np.bool_]) -> list[str]:
    return [kind.value for kind, holds in zip(EventKind, held, strict=True) if holds]


def entity_confusion(annotated: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Confusion:
    """What became of each annotated entity: the category of the predicted span with the same borders, or `borders`
    where predicted spans only overlap it, or `missed`. Of several with its borders the right one counts, else the first
    in wire order.

    Every annotated entity counts once, so a row sums to its category's annotations and the diagonal holds the exact
    finds. The row `spurious` counts predicted spans, by category, that overlap no entity.

    Args:
        annotated: for each text its spans.
        predicted: the same for what was found.
    """
    categories = EntityCategory.labels()
    counts = {row: dict.fromkeys((*categories, BORDERS, MISSED), 0) for row in (*categories, SPURIOUS)}
    for wanted, found in zip(annotated, predicted, strict=True):
        for span in wanted:
            exact = [other.category for other in found if (other.start, other.end) == (span.start, span.end)]
            if exact:
                became = min(exact, key=lambda category: (category is not span.category, category.position)).value
            else:
                became = BORDERS if _overlaps(span, found) else MISSED
            counts[span.category.value][became] += 1
        for span in found:
            counts[SPURIOUS][span.category.value] += not _overlaps(span, wanted)
    return counts


def _overlaps(span: Span, others: Sequence[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)
