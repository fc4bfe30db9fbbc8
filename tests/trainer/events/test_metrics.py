"""Scores against hand counts, scikit-learn, and a plain comparison of spans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score  # type: ignore[import-untyped]
from storyteller_schema.events import EntityCategory, EventKind, Span
from storyteller_trainer.events.metrics import Score, entity_scores, event_scores, predicted_kinds

CHARACTER, OBJECT = EntityCategory.CHARACTER, EntityCategory.OBJECT


def test_kinds_hold_strictly_above_one_half() -> None:
    logits = np.array([[-1.0, 0.0, 1e-3, 100.0, -100.0, np.nan, np.inf, -np.inf]], np.float32)
    assert predicted_kinds(logits).tolist() == [[False, False, True, True, False, False, True, False]]


def test_event_scores_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    annotated, predicted = rng.random((200, 8)) < 0.3, rng.random((200, 8)) < 0.4
    scores = event_scores(annotated, predicted)
    for average, found in (("micro", scores.micro), ("macro", scores.macro)):
        assert found.precision == pytest.approx(precision_score(annotated, predicted, average=average))
        assert found.recall == pytest.approx(recall_score(annotated, predicted, average=average))
        assert found.f1 == pytest.approx(f1_score(annotated, predicted, average=average))
    by_kind = f1_score(annotated, predicted, average=None)
    assert list(scores.classes) == list(EventKind)
    for score, f1 in zip(scores.classes.values(), by_kind, strict=True):
        assert score.f1 == pytest.approx(f1)


def test_kinds_that_never_occur_are_no_part_of_the_macro_average() -> None:
    annotated, predicted = np.zeros((2, 8), bool), np.zeros((2, 8), bool)
    annotated[:, 0] = predicted[:, 0] = predicted[0, 1] = True
    scores = event_scores(annotated, predicted)
    assert scores.macro.f1 == 0.5
    assert scores.classes["SpatialChange"] == Score(0.0, 0.0, 0.0, 0)
    assert event_scores(annotated & False, predicted & False).macro == Score(0.0, 0.0, 0.0, 0)


def test_an_entity_counts_only_when_borders_and_category_are_right() -> None:
    annotated = [[Span(0, 3, CHARACTER), Span(3, 6, CHARACTER), Span(10, 12, OBJECT)], []]
    predicted = [[Span(0, 3, CHARACTER), Span(4, 6, CHARACTER), Span(10, 12, CHARACTER)], [Span(1, 2, OBJECT)]]
    scores = entity_scores(annotated, predicted)
    assert scores.classes["CHARACTER"] == Score(precision=1 / 3, recall=1 / 2, f1=0.4, support=2)
    assert scores.classes["OBJECT"] == Score(0.0, 0.0, 0.0, 1)
    assert (scores.micro.precision, scores.micro.recall, scores.micro.support) == (1 / 4, 1 / 3, 3)
    assert scores.micro.f1 == pytest.approx(2 / 7)
    assert scores.macro.f1 == pytest.approx(0.2)


def test_no_entities_at_all_scores_zero_without_a_warning() -> None:
    assert entity_scores([[], []], [[], []]).micro == Score(0.0, 0.0, 0.0, 0)


@st.composite
def texts(draw: st.DrawFn) -> list[Span]:
    borders = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    return [Span(start, end, draw(st.sampled_from(EntityCategory))) for start, end in pairs]


@given(st.lists(st.tuples(texts(), texts()), min_size=1, max_size=4))
def test_seqeval_on_borders_is_a_plain_comparison_of_spans(pairs: list[tuple[list[Span], list[Span]]]) -> None:
    annotated, predicted = [gold for gold, _ in pairs], [guess for _, guess in pairs]
    scores = entity_scores(annotated, predicted)
    wanted = {(i, span) for i, spans in enumerate(annotated) for span in spans}
    found = {(i, span) for i, spans in enumerate(predicted) for span in spans}
    for category in EntityCategory:
        of_wanted = {pair for pair in wanted if pair[1].category is category}
        of_found = {pair for pair in found if pair[1].category is category}
        right = len(of_wanted & of_found)
        assert scores.classes[category].f1 == pytest.approx(2 * right / max(len(of_wanted) + len(of_found), 1))
        assert scores.classes[category].support == len(of_wanted)
    assert scores.micro.f1 == pytest.approx(2 * len(wanted & found) / max(len(wanted) + len(found), 1))
