"""Scores, tables of confusion and the list of mistakes, checked by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from storyteller_exporter.evaluate.classifier_evaluation import (
    Exact,
    PredictedSet,
    SetReport,
    report,
    run_set,
    score,
    write_predictions,
)
from storyteller_exporter.evaluate.confusion import entity_confusion, event_confusion
from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding, SentencePrediction
from storyteller_exporter.evaluate.mistakes import marked, worst_mistakes
from storyteller_exporter.evaluate.sets import EvaluationSet, data_sets
from storyteller_exporter.evaluate.tables import comparison_table, confusion_table, mistake_lines
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EventKind, Span
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.encoding import Encoded
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.metrics import entity_scores, event_scores

KINDS = EventKind.labels()
CATEGORIES = EntityCategory.labels()
ACTION, SPATIAL, SPEECH = EventKind.ACTION_OCCURRENCE, EventKind.SPATIAL_CHANGE, EventKind.SPEECH_ACT


def held(*sentences: set[EventKind]) -> np.ndarray:
    return np.array([[kind in kinds for kind in EventKind] for kinds in sentences])


def counted(confusion: dict[str, dict[str, int]]) -> dict[tuple[str, str], int]:
    """The cells that are not 0."""
    return {(row, column): n for row, counts in confusion.items() for column, n in counts.items() if n}


# --- confusion ---------------------------------------------------------------------------------------------------


def test_event_confusion() -> None:
    annotated = held({ACTION, SPEECH}, {ACTION}, {SPEECH}, {ACTION}, {ACTION})
    predicted = held({ACTION, SPATIAL}, {ACTION}, set(), {ACTION, SPATIAL}, {SPATIAL, SPEECH})
    confusion = event_confusion(annotated, predicted)
    assert list(confusion) == [*KINDS, "nothing"]
    assert all(list(counts) == [*KINDS, "nothing"] for counts in confusion.values())
    assert counted(confusion) == {
        ("ActionOccurrence", "ActionOccurrence"): 3,
        ("SpeechAct", "SpatialChange"): 1,  # the first: found one kind, took the other for a third
        ("SpeechAct", "nothing"): 1,
        ("nothing", "SpatialChange"): 1,  # nothing missed, and one too many
        ("ActionOccurrence", "SpatialChange"): 1,  # the last: two wrong ones in place of one
        ("ActionOccurrence", "SpeechAct"): 1,
    }


@given(st.lists(st.tuples(st.sets(st.sampled_from(EventKind)), st.sets(st.sampled_from(EventKind))), min_size=1))
def test_event_confusion_agrees_with_the_scores(sentences: list[tuple[set[EventKind], set[EventKind]]]) -> None:
    annotated, predicted = held(*(one for one, _ in sentences)), held(*(other for _, other in sentences))
    confusion = event_confusion(annotated, predicted)
    for kind, scores in event_scores(annotated, predicted).classes.items():
        found = confusion[kind][kind]
        assert found == round(scores.recall * scores.support)
        # Every missed one is somewhere else in the row.
        assert sum(confusion[kind].values()) >= scores.support
        assert (sum(confusion[kind].values()) > found) == (found < scores.support)


def span(start: int, end: int, category: str) -> Span:
    return Span(start, end, EntityCategory(category))


def test_entity_confusion() -> None:
    annotated = [
        [span(0, 3, "CHARACTER"), span(5, 9, "OBJECT")],
        [span(0, 4, "LOCATION"), span(6, 8, "OBJECT")],
        [],
    ]
    predicted = [
        [span(0, 3, "CHARACTER"), span(5, 9, "ABSTRACT")],
        [span(0, 2, "LOCATION"), span(3, 6, "LOCATION")],  # the second ends where the object begins: no overlap
        [span(2, 4, "GESTURE")],
    ]
    confusion = entity_confusion(annotated, predicted)
    assert list(confusion) == [*CATEGORIES, "spurious"]
    assert all(list(counts) == [*CATEGORIES, "borders", "missed"] for counts in confusion.values())
    assert counted(confusion) == {
        ("CHARACTER", "CHARACTER"): 1,
        ("OBJECT", "ABSTRACT"): 1,
        ("LOCATION", "borders"): 1,
        ("OBJECT", "missed"): 1,
        ("spurious", "GESTURE"): 1,
    }


def test_of_several_spans_with_the_borders_of_an_entity_the_right_one_counts() -> None:
    guesses = [span(0, 3, "OBJECT"), span(0, 3, "LOCATION"), span(0, 3, "ABSTRACT")]
    for found in (guesses, guesses[::-1]):
        assert counted(entity_confusion([[span(0, 3, "LOCATION")]], [found])) == {("LOCATION", "LOCATION"): 1}
        assert counted(entity_confusion([[span(0, 3, "SENSORY")]], [found])) == {("SENSORY", "OBJECT"): 1}


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    borders = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    return [
        span(start, end, draw(st.sampled_from(CATEGORIES)))
        for start, end in zip(borders[::2], borders[1::2], strict=False)
    ]


@given(st.lists(st.tuples(spans(), spans()), min_size=1))
def test_every_entity_stands_once_in_the_confusion(texts: list[tuple[list[Span], list[Span]]]) -> None:
    annotated, predicted = [one for one, _ in texts], [other for _, other in texts]
    confusion = entity_confusion(annotated, predicted)
    for category, scores in entity_scores(annotated, predicted).classes.items():
        wanted = sum(one.category == category for text in annotated for one in text)
        assert sum(confusion[category].values()) == wanted
        assert confusion[category][category] == round(scores.recall * scores.support)


def test_confusion_table_numbers_the_columns_that_have_a_row() -> None:
    confusion = entity_confusion([[span(0, 3, "OBJECT")]], [[span(0, 3, "OBJECT")]])
    console = Console(width=100)
    with console.capture() as capture:
        console.print(confusion_table("category", confusion, "title"))
    head, *rows = capture.get().splitlines()[1:]
    assert head.split() == ["category", "1", "2", "3", "4", "5", "6", "7", "borders", "missed"]
    assert rows[1].split() == ["2", "OBJECT", "·", "1", *"·······"]
    assert rows[-1].split()[0] == "spurious"


# --- mistakes ----------------------------------------------------------------------------------------------------


def test_spans_are_marked_at_their_bytes() -> None:
    text = "“Zoë” weeps"
    assert marked(text, [span(9 + 1, 15, "GESTURE"), span(3, 7, "CHARACTER")]) == "“[Zoë|CHARACTER]”[ weep|GESTURE]s"
    assert marked(text, []) == text
    assert marked("abc", [span(0, 2, "OBJECT"), span(1, 3, "OBJECT")]) == "[ab|OBJECT]c"  # one of two that overlap


def prediction(*chances: tuple[EventKind, float], spans: tuple[Span, ...] = ()) -> SentencePrediction:
    probabilities = tuple(dict(chances).get(kind, 0.0) for kind in EventKind)
    return SentencePrediction(tuple(kind for kind, chance in chances if chance > 0.5), probabilities, list(spans))


def test_worst_mistakes_have_the_most_errors_then_the_surest(sentences: list[EventExample]) -> None:
    action = msgspec.structs.replace(sentences[0], entities=[])
    examples = [msgspec.structs.replace(action, id=name) for name in ("right", "unsure", "sure", "borders", "two")]
    annotated: list[list[Span]] = [[], [], [], [span(0, 3, "OBJECT")], []]
    guesses = [
        prediction((ACTION, 0.9)),
        prediction((ACTION, 0.4)),
        prediction((ACTION, 0.1)),
        prediction((ACTION, 0.9), spans=(span(0, 2, "OBJECT"),)),
        prediction((ACTION, 0.45), (SPEECH, 0.6)),
    ]
    mistakes = worst_mistakes(examples, annotated, guesses, 10)
    assert [(mistake.id, mistake.errors) for mistake in mistakes] == [
        ("two", 2),  # wrong by 0.55 and 0.6
        ("borders", 2),  # missed one, and found another with confidence 1
        ("sure", 1),
        ("unsure", 1),
    ]
    assert mistakes[0].probabilities == {ACTION: 0.45, SPEECH: 0.6}
    assert [mistake.id for mistake in worst_mistakes(examples, annotated, guesses, 1)] == ["two"]


def test_an_entity_that_is_found_twice_is_a_mistake(words: Path, sentences: list[EventExample]) -> None:
    one = msgspec.structs.replace(sentences[0], entities=sentences[0].entities[:1])
    encodings = EngineEvents(words).encode([one])
    (gold,) = encodings.items[0].spans
    kinds = [(kind, 0.9) for kind in one.event_kinds]
    for times, share, errors in ((1, 1.0, []), (2, 0.0, [1])):
        guess = prediction(*kinds, spans=(gold,) * times)
        found = score(PredictedSet(EvaluationSet("one", "a test", [one]), encodings, [guess]))
        assert found.exact == Exact(kinds=1.0, entities=share, both=share)
        assert found.entities.micro.precision == 1 / times
        assert [mistake.errors for mistake in found.mistakes] == errors


def test_mistakes_are_readable(found: SetReport) -> None:
    assert list(mistake_lines(found.mistakes)) == [
        "1. 4 errors, player, half",
        "   kinds      missed ActionOccurrence (0.12), wrong SpatialChange (0.88); right: none",
        "   annotated  é [Søren|CHARACTER] walks old [mill|LOCATION]",
        "   predicted  é [Søren|CHARACTER] walks [old mill|LOCATION]",
        "2. 2 errors, player, missed",
        "   kinds      missed SpeechAct (0.12); right: none",
        "   annotated  [nobody|ABSTRACT] is here",
        "   predicted  nobody is here",
    ]


# --- the whole ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(sentences: list[EventExample]) -> EvaluationSet:
    return EvaluationSet("three", "a test", sentences)


@pytest.fixture(scope="module")
def found(words: Path, data: EvaluationSet) -> SetReport:
    return score(run_set(EngineEvents(words), data, Padding.FIXED))


def test_scores(found: SetReport) -> None:
    assert found.sentences == 3
    assert found.events.classes["ActionOccurrence"].f1 == pytest.approx(2 / 3)
    assert found.events.macro.f1 == pytest.approx(2 / 9)  # over the three kinds that are annotated or predicted
    assert found.events.micro.f1 == pytest.approx(2 / 5)
    assert found.entities.micro.f1 == pytest.approx(6 / 9)
    assert (found.exact.kinds, found.exact.entities, found.exact.both) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert counted(found.event_confusion) == {
        ("ActionOccurrence", "ActionOccurrence"): 1,
        ("ActionOccurrence", "SpatialChange"): 1,
        ("SpeechAct", "nothing"): 1,
    }
    assert counted(found.entity_confusion) == {
        ("CHARACTER", "CHARACTER"): 2,
        ("OBJECT", "OBJECT"): 1,
        ("LOCATION", "borders"): 1,
        ("ABSTRACT", "missed"): 1,
    }


def test_padding_changes_nothing(words: Path, data: EvaluationSet, found: SetReport) -> None:
    assert score(run_set(EngineEvents(words), data, Padding.DYNAMIC)) == found


def test_progress_is_told_after_every_sentence(words: Path, data: EvaluationSet) -> None:
    calls: list[None] = []
    run_set(EngineEvents(words), data, Padding.DYNAMIC, lambda: calls.append(None))
    assert len(calls) == 3


def test_the_sentence_that_fails_is_named(words: Path, data: EvaluationSet, monkeypatch: pytest.MonkeyPatch) -> None:
    models = EngineEvents(words)
    # By the item, not by the order of the calls: sentences run side by side.
    last = models.encode(data.examples).items[-1]

    def predict(item: Encoded, padding: Padding) -> SentencePrediction:
        if np.array_equal(item.ids, last.ids):
            raise StorytellerError("no numbers")
        return prediction()

    monkeypatch.setattr(models, "predict", predict)
    with pytest.raises(StorytellerError, match="sentence missed of a test: no numbers"):
        run_set(models, data, Padding.FIXED)


def test_texts_that_are_cut_are_told(words: Path, sentences: list[EventExample]) -> None:
    long = msgspec.structs.replace(sentences[0], text=sentences[0].text + " and" * 200)
    (notice,) = score(run_set(EngineEvents(words), EvaluationSet("long", "a test", [long]), Padding.FIXED)).notices
    assert "1 texts were cut after 128 tokens" in notice


def test_latency_is_measured_for_both_paddings(words: Path, data: EvaluationSet) -> None:
    models = EngineEvents(words)
    run = run_set(models, data, Padding.DYNAMIC)
    latency = report(models, [run, run], Padding.DYNAMIC, worst=0, timed=5).latency
    assert latency is not None
    assert (latency.sentences, latency.tokens, latency.threads) == (5, 5.0, 1)  # [CLS], three words, [SEP]
    for timing in (latency.fixed, latency.dynamic):
        assert 0 < timing.p50_ms <= timing.p99_ms
        assert timing.sentences_per_second > 0
    assert latency.ratio == pytest.approx(latency.fixed.p50_ms / latency.dynamic.p50_ms)
    assert report(models, [run], Padding.DYNAMIC, worst=0, timed=0).latency is None


def test_sets_stand_side_by_side(words: Path, data: EvaluationSet) -> None:
    models = EngineEvents(words)
    runs = [
        run_set(models, EvaluationSet(name, "a test", data.examples[:count]), Padding.DYNAMIC)
        for name, count in (("one", 1), ("all", 3))
    ]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(comparison_table(report(models, runs, Padding.DYNAMIC, worst=0, timed=0)))
    rows = {line[:20].strip(): line[20:].split() for line in capture.get().splitlines()}
    assert rows["sentences"] == ["1", "3"]
    assert rows["event macro F1"] == ["1.0000", "0.2222"]
    assert rows["entity F1 (micro)"] == ["1.0000", "0.6667"]
    assert rows["both right"] == ["1.0000", "0.3333"]
    assert rows["ActionOccurrence"] == ["1.0000", "(1)", "0.6667", "(2)"]
    assert rows["LOCATION"] == ["-", "(0)", "0.0000", "(1)"]


def test_predictions_are_lines_in_the_keys_of_event_data(words: Path, data: EvaluationSet, tmp_path: Path) -> None:
    write_predictions(tmp_path / "found.jsonl", [run_set(EngineEvents(words), data, Padding.FIXED)])
    lines = [msgspec.json.decode(line) for line in (tmp_path / "found.jsonl").read_bytes().splitlines()]
    assert [line["id"] for line in lines] == ["right", "half", "missed"]
    half = lines[1]
    assert (half["set"], half["text"]) == ("three", "é Søren walks old mill")
    assert half["event_kinds"] == ["SpatialChange"]
    assert len(half["event_probabilities"]) == 8
    assert half["event_probabilities"][SPATIAL.position] == pytest.approx(1 / (1 + np.exp(-2)))
    places = [(entity["start"], entity["end"], entity["text"], entity["category"]) for entity in half["entities"]]
    assert places == [(3, 9, "Søren", "CHARACTER"), (16, 24, "old mill", "LOCATION")]
    assert all(0 < entity["confidence"] < 1 for entity in half["entities"])


def test_sets_are_called_by_file_unless_two_share_a_name(sentence_file: Path, tmp_path: Path) -> None:
    other = tmp_path / sentence_file.name
    other.write_bytes(sentence_file.read_bytes())
    (alone,) = data_sets([sentence_file])
    assert alone.name == "three"
    assert alone.examples == load_events(sentence_file).examples
    assert [one.name for one in data_sets([sentence_file, other])] == [str(sentence_file), str(other)]
