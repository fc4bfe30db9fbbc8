"""Scores on the engine's decoding: of event kinds, and of exact entity spans. NumPy and plain Python, no model.

Precision is the share of what was predicted that is right, recall the share of what is annotated that was found, F1
their harmonic mean; each is 0 where its denominator is. A micro average counts all classes together; a macro average is
the plain mean over the classes that are annotated or predicted at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from storyteller_schema.events import EVENT_THRESHOLD, EntityCategory, EventKind, Span, event_probabilities


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
    right, found, wanted = (annotated & predicted).sum(0), predicted.sum(0), annotated.sum(0)
    classes = {kind.value: _score(int(right[i]), int(found[i]), int(wanted[i])) for i, kind in enumerate(EventKind)}
    present = [score for score, any_of in zip(classes.values(), found + wanted, strict=True) if any_of]

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else 0.0

    macro = Score(
        precision=mean([score.precision for score in present]),
        recall=mean([score.recall for score in present]),
        f1=mean([score.f1 for score in present]),
        support=int(wanted.sum()),
    )
    return Scores(classes, _score(int(right.sum()), int(found.sum()), int(wanted.sum())), macro)


def _tags(spans: Sequence[Span], borders: Sequence[int]) -> list[str]:
    """IOB2 tags of the stretches between neighbouring borders; every span begins and ends at one."""
    place = {border: index for index, border in enumerate(borders)}
    tags = ["O"] * max(len(borders) - 1, 0)
    for span in spans:
        first, last = place[span.start], place[span.end]
        tags[first:last] = [f"B-{span.category}", *[f"I-{span.category}"] * (last - first - 1)]
    return tags


def entity_scores(annotated: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Scores:
    """Scores of the entities of n texts, by seqeval: an entity is found when start, end and category are all right.

    seqeval compares tags, not spans. The tags here stand for the stretches between all borders of both sides, so the
    score depends on no tokenizer, and an entity that no token sequence can express counts as missed.

    Args:
        annotated: for each text its spans, none overlapping.
        predicted: the same for what the engine's decoding finds.
    """
    wanted, found = [], []
    for gold, guess in zip(annotated, predicted, strict=True):
        borders = sorted({offset for span in (*gold, *guess) for offset in (span.start, span.end)})
        wanted.append(_tags(gold, borders))
        found.append(_tags(guess, borders))
    report: dict[str, Any] = {}
    if any(annotated) or any(predicted):  # seqeval has no answer where there is nothing to score
        report = classification_report(wanted, found, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    return Scores(
        classes={category.value: _from_seqeval(report.get(category.value)) for category in EntityCategory},
        micro=_from_seqeval(report.get("micro avg")),
        macro=_from_seqeval(report.get("macro avg")),
    )


def _from_seqeval(row: Mapping[str, Any] | None) -> Score:
    if row is None:
        return Score(0.0, 0.0, 0.0, 0)
    return Score(float(row["precision"]), float(row["recall"]), float(row["f1-score"]), int(row["support"]))
