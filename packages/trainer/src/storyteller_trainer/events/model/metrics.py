"""Scores on the engine's decoding: of event kinds, and of exact entity spans. NumPy and plain Python, no model.

An entity is found when start, end and category are all right, which is what seqeval counts in its strict mode.

Precision is the share of what was predicted that is right, recall the share of what is annotated that was found, F1
their harmonic mean; each is 0 where its denominator is. A micro average counts all classes together; a macro average is
the plain mean over the classes that are annotated or predicted at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from storyteller_schema.contract.events import EVENT_THRESHOLD, EntityCategory, EventKind, Span, event_probabilities


class Score(msgspec.Struct, frozen=True):
    """How well one class, or all of them, was found."""

    precision: float
    recall: float
    f1: float
    #: How many are annotated.
    support: int


class Scores(msgspec.Struct, frozen=True):
    """Each class, in wire order, and the two averages."""

    classes: dict[str, Score]
    micro: Score
    macro: Score


def _score(right: int, predicted: int, annotated: int) -> Score:
    return Score(
        precision=right / predicted if predicted else 0.0,
        recall=right / annotated if annotated else 0.0,
        f1=2 * right / (predicted + annotated) if predicted + annotated else 0.0,
        support=annotated,
    )


def predicted_kinds(logits: ArrayLike) -> NDArray[np.bool_]:
    """Which kinds hold, [n, 8], for logits [n, 8]: sigmoid strictly above 0.5, as the engine decides."""
    held: NDArray[np.bool_] = event_probabilities(logits) > EVENT_THRESHOLD
    return held


def event_scores(annotated: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Scores:
    """Scores of the event kinds.

    Args:
        annotated: [n, 8] bool.
        predicted: [n, 8] bool.
    """
    right, found, wanted = (held.sum(axis=0).tolist() for held in (annotated & predicted, predicted, annotated))
    return _scores(EventKind.labels(), right, found, wanted)


def places(spans: Iterable[Span]) -> Counter[tuple[int, int, EntityCategory]]:
    """What has to be right about entities, borders and category, and how often each is named; not the confidence."""
    return Counter((span.start, span.end, span.category) for span in spans)


def entity_scores(annotated: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Scores:
    """Scores of the entities of n texts.

    Every predicted span counts, in whatever order they come: one that is predicted twice, is empty or overlaps another
    is right only if it is annotated just so.

    Args:
        annotated: for each text its spans.
        predicted: the same for what was found.

    Raises:
        ValueError: the two are not about the same number of texts.
    """
    right, found, wanted = (Counter[EntityCategory]() for _ in range(3))
    for gold, guess in zip(map(places, annotated), map(places, predicted), strict=True):
        for total, some in ((right, gold & guess), (found, guess), (wanted, gold)):
            for (_, _, category), count in some.items():
                total[category] += count
    return _scores(EntityCategory.labels(), *([total[c] for c in EntityCategory] for total in (right, found, wanted)))


def _scores(labels: Sequence[str], right: Sequence[int], found: Sequence[int], wanted: Sequence[int]) -> Scores:
    """Scores from counts by class: predicted rightly, predicted, annotated."""
    classes = {label: _score(*counts) for label, *counts in zip(labels, right, found, wanted, strict=True)}
    present = [score for score, *counts in zip(classes.values(), found, wanted, strict=True) if any(counts)]

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else 0.0

    macro = Score(
        precision=mean([score.precision for score in present]),
        recall=mean([score.recall for score in present]),
        f1=mean([score.f1 for score in present]),
        support=sum(wanted),
    )
    return Scores(classes, _score(sum(right), sum(found), sum(wanted)), macro)
