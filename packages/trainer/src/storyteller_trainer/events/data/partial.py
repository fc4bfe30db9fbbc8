"""What an annotation leaves open: categories that nobody looked for, and entities that may be of several categories.

A stretch without an entity is no proof that none of an unannotated category is there. So every token has a set of
labels that are still allowed: training sums their probabilities (`events.model.losses`), and scores leave out what
nobody annotated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX, EntityCategory, Span
from storyteller_schema.contract.spans import OUTSIDE, begin_label

from storyteller_trainer.events.data.example import EventExample

#: Start and end of an entity, in bytes, to all the categories that it may have.
Choices = Mapping[tuple[int, int], frozenset[EntityCategory]]


def annotated_categories(example: EventExample) -> frozenset[EntityCategory]:
    """The categories that somebody looked for in the whole text."""
    return frozenset(EntityCategory if example.categories is None else example.categories)


def choices(example: EventExample) -> Choices:
    """The entities that may have more categories than one."""
    return {
        (entity.start, entity.end): frozenset([entity.category, *entity.alternatives])
        for entity in example.entities
        if entity.alternatives
    }


def open_labels(
    example: EventExample, labels: NDArray[np.int64], offsets: Sequence[tuple[int, int]]
) -> NDArray[np.bool_] | None:
    """Which labels each token may have, [tokens, 15]; None where that is just `labels` for every token.

    Args:
        labels: [tokens], index into BIO_LABELS; special tokens have IGNORE_INDEX, and every label is allowed them.
        offsets: each token's bytes in the text.
    """
    missing = frozenset(EntityCategory) - annotated_categories(example)
    several = choices(example)
    if not missing and not several:
        return None
    allowed = np.eye(len(BIO_LABELS), dtype=np.bool_)[np.where(labels == IGNORE_INDEX, OUTSIDE, labels)]
    allowed[labels == IGNORE_INDEX] = True
    for category in missing:
        first = begin_label(category)
        allowed[labels == OUTSIDE, first : first + 2] = True
    for (start, end), categories in several.items():
        for token, (token_start, token_end) in enumerate(offsets):
            if labels[token] > OUTSIDE and token_start < end and token_end > start:
                inside = (labels[token] - 1) % 2  # 0 for B-, 1 for I-
                allowed[token, [begin_label(category) + inside for category in categories]] = True
    return allowed


def comparable(
    annotated: Sequence[Span], predicted: Sequence[Span], categories: frozenset[EntityCategory], several: Choices
) -> tuple[list[Span], list[Span]]:
    """The annotated and the predicted spans that a score may compare.

    Those of categories that nobody annotated are left out on both sides. An entity of several categories takes the
    one that was predicted, if that is among them.
    """
    found = {(span.start, span.end): span.category for span in predicted}
    gold = []
    for span in annotated:
        place = (span.start, span.end)
        if place in several and found.get(place) in several[place]:
            span = Span(span.start, span.end, found[place], span.confidence)
        gold.append(span)
    kept = {(span.start, span.end) for span in gold if (span.start, span.end) in several}

    def counts(span: Span) -> bool:
        return span.category in categories or (span.start, span.end) in kept

    return [span for span in gold if counts(span)], [span for span in predicted if counts(span)]
