"""The event models run as the engine runs them, and every folder that cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding, SentencePrediction
from storyteller_exporter.onnx import metadata_props
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EventKind
from storyteller_schema.contract.fingerprint import event_fingerprint
from storyteller_schema.contract.onnx import EVENT, JOINT, NER
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.checkpoint import tokenizer_hash
from storyteller_trainer.sample.events.prose import load_prose
from tokenizers import Tokenizer

Example = Callable[..., EventExample]


def predict(models: EngineEvents, example: EventExample, padding: Padding = Padding.FIXED) -> SentencePrediction:
    return models.predict(models.encode([example]).items[0], padding)


def found(prediction: SentencePrediction, text: str) -> list[tuple[str, str]]:
    """The words and category of every span, read from the text's bytes."""
    return [(text.encode()[span.start : span.end].decode(), span.category.value) for span in prediction.spans]


@pytest.mark.parametrize("padding", Padding)
def test_reads_kinds_and_byte_spans(words: Path, make_example: Example, padding: Padding) -> None:
    text = "“Zoë” weeps and gives Søren old mill crown"
    prediction = predict(EngineEvents(words), make_example(text, kinds=[EventKind.SPEECH_ACT]), padding)
    assert prediction.kinds == (EventKind.ACTION_OCCURRENCE, EventKind.EMOTIONAL_EXPRESSION)
    assert found(prediction, text) == [
        ("Zoë", "CHARACTER"),
        ("Søren", "CHARACTER"),
        ("old mill", "LOCATION"),
        ("crown", "OBJECT"),
    ]
    first = prediction.spans[0]
    assert (first.start, first.end) == (3, 7)  # the quotation mark has three bytes, ë two
    assert first.confidence == pytest.approx(np.exp(3) / (np.exp(3) + np.exp(1) + 13))
    assert prediction.probabilities[EventKind.ACTION_OCCURRENCE.position] == pytest.approx(1 / (1 + np.exp(-2)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stray Zoë stray", [("Zoë", "CHARACTER")]),  # an I- that extends nothing is dropped
        ("mill old mill mill Zoë mill", [("old mill mill", "LOCATION"), ("Zoë", "CHARACTER")]),
        ("old and mill", [("old", "LOCATION")]),
        ("old old mill", [("old", "LOCATION"), ("old mill", "LOCATION")]),
    ],
)
def test_spans_are_assembled_strictly(
    words: Path, make_example: Example, text: str, expected: list[tuple[str, str]]
) -> None:
    assert found(predict(EngineEvents(words), make_example(text, kinds=[EventKind.SPEECH_ACT])), text) == expected


def test_a_probability_of_exactly_a_half_is_not_enough(words: Path, make_example: Example) -> None:
    prediction = predict(EngineEvents(words), make_example("Zoë doubts", kinds=[EventKind.SPEECH_ACT]))
    assert set(prediction.probabilities) == {0.5}
    assert prediction.kinds == ()


@pytest.mark.parametrize("padding", Padding)
def test_long_texts_are_cut_after_128_tokens(words: Path, make_example: Example, padding: Padding) -> None:
    text = f"gives {'and ' * 124}Zoë crown says"  # with [CLS] and [SEP], Zoë is the last of the 128
    prediction = predict(EngineEvents(words), make_example(text, kinds=[EventKind.SPEECH_ACT]), padding)
    assert found(prediction, text) == [("Zoë", "CHARACTER")]
    assert prediction.kinds == (EventKind.ACTION_OCCURRENCE,)


def test_padding_changes_no_decision_of_real_encoders(event_folder: Path) -> None:
    models = EngineEvents(event_folder)
    examples = [example for example in load_prose() if not example.text.isascii()]
    kinds = spans = 0
    for item in models.encode(examples).items:
        fixed, dynamic = (models.predict(item, padding) for padding in Padding)
        assert fixed.kinds == dynamic.kinds
        places = [[(span.start, span.end, span.category) for span in one.spans] for one in (fixed, dynamic)]
        assert places[0] == places[1]
        np.testing.assert_allclose(fixed.probabilities, dynamic.probabilities, atol=1e-5)
        kinds, spans = kinds + len(fixed.kinds), spans + len(fixed.spans)
    assert kinds > 0
    assert spans > 0


def test_outputs_leave_out_the_padding(words: Path, make_example: Example) -> None:
    models = EngineEvents(words)
    (item,) = models.encode([make_example("Zoë gives crown", kinds=[EventKind.SPEECH_ACT])]).items
    for padding in Padding:
        events, entities = models.run(item, padding)
        assert events.shape == (8,)
        assert entities.shape == (5, 15)


def test_joint_file_gives_what_the_two_give(words: Path, joint_words: Path, sentences: list[EventExample]) -> None:
    pair, joint = EngineEvents(words), EngineEvents(joint_words)
    assert [file.task for file in pair.files] == ["event", "ner"]
    assert [file.task for file in joint.files] == ["joint"]
    for example in sentences:
        assert predict(pair, example) == predict(joint, example)


def test_two_files_are_taken_where_the_joint_one_lies_beside_them(own_words: Path, joint_words: Path) -> None:
    shutil.copy(joint_words / JOINT.file_name, own_words)
    assert [file.task for file in EngineEvents(own_words).files] == ["event", "ner"]


def test_a_file_that_says_nothing_about_itself_is_used_with_a_warning(own_words: Path) -> None:
    import onnx

    path = own_words / NER.file_name
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(path))
    event, ner = EngineEvents(own_words).files
    assert event.warnings == []
    assert "no fingerprint" in " ".join(ner.warnings)


# --- folders that cannot be used ---------------------------------------------------------------------------------


def test_missing_folder_names_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match=r"nowhere: no such folder.*export-event-classifier"):
        EngineEvents(tmp_path / "nowhere")


def test_a_file_is_no_folder(words: Path) -> None:
    with pytest.raises(StorytellerError, match=r"ner_classifier.onnx: is a file; expected the folder"):
        EngineEvents(words / NER.file_name)


def test_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match=r"event_classifier.onnx and ner_classifier.onnx or joint_classifier"):
        EngineEvents(tmp_path)


def test_folder_above_is_told_apart(words: Path) -> None:
    with pytest.raises(StorytellerError, match="it holds event_classifier: name one of them"):
        EngineEvents(words.parent)


@pytest.mark.parametrize("name", [EVENT.file_name, NER.file_name])
def test_half_a_pair(own_words: Path, name: str) -> None:
    (own_words / name).unlink()
    with pytest.raises(StorytellerError, match=f"{name} is missing; the engine needs event_classifier.onnx and ner_"):
        EngineEvents(own_words)


def test_missing_tokenizer(own_words: Path) -> None:
    (own_words / "tokenizer.json").unlink()
    with pytest.raises(StorytellerError, match=r"tokenizer.json: no such file"):
        EngineEvents(own_words)


def test_swapped_files(own_words: Path) -> None:
    (own_words / EVENT.file_name).rename(own_words / "other")
    (own_words / NER.file_name).rename(own_words / EVENT.file_name)
    (own_words / "other").rename(own_words / NER.file_name)
    with pytest.raises(StorytellerError, match=r"event_classifier.onnx: this is a model of task ner, expected event"):
        EngineEvents(own_words)


def test_another_task_in_the_notes(spoilt: Callable[..., Path]) -> None:
    with pytest.raises(StorytellerError, match=r"ner_classifier.onnx: this is a model of task event, expected ner"):
        EngineEvents(spoilt(NER, interface="event"))


def test_another_fingerprint_is_named_beside_ours(spoilt: Callable[..., Path]) -> None:
    with pytest.raises(StorytellerError, match=f"contract {'f' * 64}.*{event_fingerprint()}"):
        EngineEvents(spoilt(EVENT, schema_fingerprint="f" * 64))


def test_other_labels_are_named_beside_ours(spoilt: Callable[..., Path]) -> None:
    kinds = [*reversed(EventKind.labels())]
    decoding = json.dumps({"events": {"labels": kinds}})
    with pytest.raises(StorytellerError, match=f"made for the events labels {kinds[0]}.*expected {kinds[-1]}"):
        EngineEvents(spoilt(EVENT, decoding=decoding))


def test_another_tokenizer(spoilt: Callable[..., Path]) -> None:
    with pytest.raises(StorytellerError, match=r"not the tokenizer that .*ner_classifier.onnx.*expected abc"):
        EngineEvents(spoilt(NER, tokenizer_hash="abc"))


@pytest.mark.usefixtures("own_process")
def test_a_tokenizer_that_breaks_on_texts_is_tried_elsewhere(
    own_words: Path, spoilt: Callable[..., Path], make_example: Example
) -> None:
    path = own_words / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["post_processor"]["special_tokens"] = {}  # a panic of the library, which is no Exception
    path.write_text(json.dumps(document), encoding="utf-8")
    noted = tokenizer_hash(Tokenizer.from_file(str(path)))
    for interface in (EVENT, NER):
        spoilt(interface, tokenizer_hash=noted)
    models = EngineEvents(own_words)
    with pytest.raises(StorytellerError, match=r"tokenizer\.json: no entry found for key"):
        models.encode([make_example("Zoë weeps.", kinds=[EventKind.SPEECH_ACT])])


def test_broken_file(own_words: Path) -> None:
    path = own_words / EVENT.file_name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StorytellerError, match="the engine cannot use this file"):
        EngineEvents(own_words)


def test_nan_is_no_prediction(spoilt: Callable[..., Path], make_example: Example) -> None:
    def poison(kinds: np.ndarray, labels: np.ndarray) -> None:
        labels[-1] = np.nan

    models = EngineEvents(spoilt(NER, poison))
    predict(models, make_example("Zoë", kinds=[EventKind.SPEECH_ACT]))
    with pytest.raises(StorytellerError, match="NaN or infinity"):
        predict(models, make_example("Zoë poison", kinds=[EventKind.SPEECH_ACT]))


def test_a_sentence_that_the_file_refuses(spoilt: Callable[..., Path], make_example: Example) -> None:
    def shorten(kinds: np.ndarray, labels: np.ndarray) -> None:
        kinds.resize((4, kinds.shape[1]), refcheck=False)  # ids from 4 on lie outside the table

    models = EngineEvents(spoilt(EVENT, shorten))
    with pytest.raises(StorytellerError, match=r"do not run on 128 tokens \(fixed padding\)"):
        predict(models, make_example("Zoë", kinds=[EventKind.SPEECH_ACT]))


def test_threads_are_passed_on(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    opened: list[int] = []
    session = onnxruntime.InferenceSession

    def note(path: str, options: Any, **rest: Any) -> Any:
        opened.append(options.intra_op_num_threads)
        return session(path, options, **rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", note)
    models = EngineEvents(words, threads=2)
    assert opened[-2:] == [2, 2]
    assert models.threads == 2
    assert {file.metadata[metadata_props.PRECISION] for file in models.files} == {"float32"}
