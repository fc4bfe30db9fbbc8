"""Scores against hand counts, and against what scikit-learn and seqeval gave."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.contract.events import BIO_LABELS, EntityCategory, EventKind, Span
from storyteller_schema.contract.spans import assemble_spans
from storyteller_trainer.events.model.metrics import Score, entity_scores, event_scores, predicted_kinds

CHARACTER, OBJECT = EntityCategory.CHARACTER, EntityCategory.OBJECT


def test_kinds_hold_strictly_above_one_half() -> None:
    logits = np.array([[-1.0, 0.0, 1e-3, 100.0, -100.0, np.nan, np.inf, -np.inf]], np.float32)
    assert predicted_kinds(logits).tolist() == [[False, False, True, True, False, False, True, False]]


def test_event_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    annotated, predicted = rng.random((200, 8)) < 0.3, rng.random((200, 8)) < 0.4
    scores = event_scores(annotated, predicted)
    # What precision_score, recall_score and f1_score of scikit-learn 1.9.1 return for these.
    assert_scores(scores.micro, 0.27123695976154993, 0.3913978494623656, 0.3204225352112676)
    assert_scores(scores.macro, 0.2725328330494303, 0.3920486163658502, 0.3207304099782099)
    assert list(scores.classes) == list(EventKind)
    assert [round(score.f1, 8) for score in scores.classes.values()] == [
        *(0.37795276, 0.33333333, 0.28767123, 0.28358209, 0.33783784, 0.26277372, 0.30769231, 0.375)
    ]


def assert_scores(found: Score, precision: float, recall: float, f1: float) -> None:
    assert (found.precision, found.recall, found.f1) == pytest.approx((precision, recall, f1), rel=1e-14)


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


def test_a_repeated_a_wrong_and_an_empty_span_are_spurious() -> None:
    gold = Span(0, 3, CHARACTER)
    for spurious in (gold, Span(0, 3, OBJECT), Span(3, 3, CHARACTER), Span(0, 0, OBJECT)):
        micro = entity_scores([[gold]], [[gold, spurious]]).micro
        assert (micro.precision, micro.recall) == (0.5, 1.0), spurious
    assert entity_scores([[]], [[Span(2, 2, OBJECT)]]).micro == Score(0.0, 0.0, 0.0, 0)


def test_overlapping_predictions_both_count() -> None:
    annotated, predicted = [[Span(0, 3, OBJECT)]], [[Span(0, 8, OBJECT), Span(0, 3, OBJECT)]]
    assert entity_scores(annotated, predicted).classes["OBJECT"] == Score(0.5, 1.0, 2 / 3, 1)
    assert entity_scores(annotated, [[Span(0, 8, OBJECT), Span(2, 5, OBJECT)]]).micro == Score(0.0, 0.0, 0.0, 1)


def test_a_span_is_right_in_its_own_text_only_and_whatever_its_confidence() -> None:
    annotated = [[Span(0, 3, OBJECT)], [Span(4, 6, OBJECT)]]
    assert entity_scores(annotated, [[Span(4, 6, OBJECT)], [Span(0, 3, OBJECT)]]).micro.f1 == 0
    assert entity_scores(annotated, [[Span(0, 3, OBJECT, 0.4)], [Span(4, 6, OBJECT, 0.9)]]).micro.f1 == 1


def test_scores_of_another_number_of_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        entity_scores([[], []], [[]])


#: Texts as (annotated, predicted) labels of their tokens, the initial of a category for its name (V: COLLECTIVE), and
#: what seqeval 1.2.2 said of them, strict, IOB2: precision, recall and F1, micro and macro, and F1 by category.
SEQEVAL: list[tuple[list[tuple[str, str]], list[tuple[float, float, float]], list[float]]] = [
    (
        [
            ("B-V I-V O B-V I-V O B-G O O", "B-V I-V O B-V I-V B-C B-G O O"),
            ("B-S I-S O O O O", "B-S I-S O I-V B-A O"),
            ("O B-C I-C O O O O", "O B-C B-G O O O O"),
        ],
        [(0.5, 0.8, 0.6153846153846154), (0.5, 0.6, 0.5333333333333333)],
        [0.0, 0.0, 0.0, 2 / 3, 1.0, 0.0, 1.0],
    ),
    (
        [
            ("B-G B-G B-A O B-L O B-V", "B-G B-G B-A O B-L O B-V"),
            ("B-A I-A B-G O O O O B-O I-O O O", "B-A B-O B-G O O I-L O B-O I-O O O"),
            ("B-O O O O O B-O B-L O", "B-O O O B-O O B-O B-L O"),
        ],
        [(0.7692307692307693, 0.9090909090909091, 0.8333333333333333), (0.82, 0.9, 0.85)],
        [0.0, 0.75, 1.0, 1.0, 0.0, 0.5, 1.0],
    ),
    (
        [
            ("O O B-A B-V B-O O", "I-C O B-A B-S B-O O"),
            ("B-C B-V O B-S I-S O B-O", "B-L B-V O B-S I-S O B-O"),
            ("O B-C I-C O B-C B-S O O", "O B-C I-C B-L B-C B-S O I-A"),
        ],
        [
            (0.7272727272727273, 0.8, 0.761904761904762),
            (0.7777777777777778, 0.6944444444444443, 0.7111111111111111),
        ],
        [0.8, 1.0, 0.0, 0.0, 0.8, 1.0, 2 / 3],
    ),
    (
        [
            ("O O O O O B-C", "I-V O O B-A O B-C"),
            ("O B-C I-C B-C I-C I-C O O O B-L", "O B-C I-C B-G B-L I-C O O I-A I-V"),
            ("B-S B-O I-O O O O O", "B-S B-O I-O O O O O"),
        ],
        [
            (0.5714285714285714, 0.6666666666666666, 0.6153846153846153),
            (0.5, 0.4444444444444444, 0.4666666666666666),
        ],
        [0.8, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    ),
]


def spans_of(labels: str) -> list[Span]:
    """As the engine assembles them, each token four bytes apart."""
    short = ["O", *(f"{prefix}-{initial}" for initial in "COLGSAV" for prefix in "BI")]
    assert len(short) == len(BIO_LABELS)
    ids = [short.index(label) for label in labels.split()]
    offsets = [(4 * token, 4 * token + 3) for token in range(len(ids))]
    return assemble_spans(ids, [1.0] * len(ids), offsets, [False] * len(ids))


@pytest.mark.parametrize(("texts", "averages", "by_category"), SEQEVAL)
def test_entity_scores_are_those_of_seqeval(
    texts: list[tuple[str, str]], averages: list[tuple[float, float, float]], by_category: list[float]
) -> None:
    scores = entity_scores([spans_of(gold) for gold, _ in texts], [spans_of(guess) for _, guess in texts])
    for score, expected in zip((scores.micro, scores.macro), averages, strict=True):
        assert_scores(score, *expected)
    assert [score.f1 for score in scores.classes.values()] == pytest.approx(by_category)


@given(st.lists(st.lists(st.builds(Span, st.integers(0, 3), st.integers(3, 5), st.sampled_from(EntityCategory)))))
def test_the_order_of_predictions_changes_nothing(predicted: list[list[Span]]) -> None:
    annotated = [[Span(0, 3, CHARACTER), Span(3, 5, OBJECT)] for _ in predicted]
    assert entity_scores(annotated, predicted) == entity_scores(annotated, [spans[::-1] for spans in predicted])


@st.composite
def texts(draw: st.DrawFn) -> list[Span]:
    borders = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    return [Span(start, end, draw(st.sampled_from(EntityCategory))) for start, end in pairs]


@given(st.lists(st.tuples(texts(), texts()), min_size=1, max_size=4))
def test_without_repeats_scores_are_those_of_sets(pairs: list[tuple[list[Span], list[Span]]]) -> None:
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
