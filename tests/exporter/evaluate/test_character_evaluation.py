from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from storyteller_exporter.evaluate.character_evaluation import CharacterReport, evaluate
from storyteller_exporter.evaluate.character_model import open_model
from storyteller_exporter.evaluate.character_slices import slices
from storyteller_exporter.evaluate.judged import Judged, find_examples, judge, places
from storyteller_exporter.evaluate.row_figures import row_losses, row_terms
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.shards import load_shards
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from verified import Edited, change


def report_of(place: Path, data: Path | None = None) -> CharacterReport:
    model = open_model(place)
    divided = find_examples(data, model.checkpoint)
    return evaluate(model, divided, judge(model, divided.data, divided.held_out))


@pytest.fixture(scope="module")
def report(trained: Path) -> CharacterReport:
    return report_of(trained)


def with_outputs(sample: Path, change: float = 0.0) -> Judged:
    """The sample as judged by a model that knows every label, but for `change` on the outputs."""
    data = load_dataset(sample, None)
    labels = np.asarray(data.labels)
    raw = ((labels - 0.5) * 20 + change).astype(np.float32)
    for name in ("action.confidence", "thought.dominant_emotion_index", "emotion.intensity_delta"):
        span = PREDICTIONS.span(name)
        raw[:, span] = labels[:, span]
    rows = np.arange(len(data))
    situation = {name: np.zeros(len(data), np.intp) for name in ("event", "register", "scene")}
    return Judged(data=data, rows=rows, labels=labels, raw=raw, logits=raw, situation=situation)


def test_a_run_is_judged_on_what_it_held_out_and_its_loss_is_the_one_of_run_json(
    report: CharacterReport, trained: Path
) -> None:
    told = json.loads((trained / "run.json").read_text())
    assert report.data.held_out
    assert report.data.examples == told["data"]["validation_examples"]
    assert report.losses["total"].loss.value == pytest.approx(told["val_loss"], rel=1e-5)
    assert {name: figure.loss.value for name, figure in report.terms.items()} == pytest.approx(
        told["term_losses"], rel=1e-4, abs=1e-6
    )
    assert report.losses["total"].irreducible == pytest.approx(told["irreducible"]["total"])
    assert report.accuracy["action.type"].ceiling == pytest.approx(told["best_accuracy"]["action.type"])
    assert report.accuracy["thought.awareness"].ceiling == 1.0
    found = report.accuracy["speech.occurs"]
    binary = told["metrics"]["binary"]["speech.occurs"]
    assert found.as_engine.value == pytest.approx(binary["as_engine"]["accuracy"])
    assert found.at_even_odds is not None
    assert found.at_even_odds.value == pytest.approx(binary["at_even_odds"]["accuracy"])


def test_every_kind_of_slice_holds_every_example_once(report: CharacterReport) -> None:
    by_kind: dict[str, int] = {}
    for one in report.slices:
        by_kind[one.kind] = by_kind.get(one.kind, 0) + one.examples
    assert list(by_kind) == ["archetype", "dynamic", "profile", "event", "register", "scene"]
    assert set(by_kind.values()) == {report.data.examples}


def test_mistakes_are_wrong_surest_first_and_stand_where_they_say(report: CharacterReport) -> None:
    sure = [mistake.probability for mistake in report.mistakes]
    assert len(sure) == 20
    assert sure == sorted(sure, reverse=True)
    for mistake in report.mistakes:
        assert mistake.labelled != mistake.predicted
        line = json.loads(Path(mistake.file).read_text().splitlines()[mistake.line - 1])
        span = PREDICTIONS.span(mistake.field)
        labels = line["labels"][span]
        field = PREDICTIONS[mistake.field.partition(".")[0]].field(mistake.field.partition(".")[2])
        names = field.labels or ("no", "yes")
        place = labels.index(1.0) if field.labels else int(labels[0])
        assert names[place] == mistake.labelled
        assert line["cell"]["archetype_a"] in mistake.example


def test_a_file_and_its_checkpoint_say_the_same(exported: Path, run: Path, sample: Path) -> None:
    file, checkpoint = report_of(exported, sample), report_of(run, sample)
    assert file.losses["total"].loss.value == pytest.approx(checkpoint.losses["total"].loss.value, rel=1e-5)
    assert file.model.form == "onnx"
    assert not file.data.held_out


def test_aligned_thresholds_leave_losses_and_calibration_as_they_are(
    exported: Path, exported_aligned: Path, sample: Path
) -> None:
    plain, aligned = report_of(exported, sample), report_of(exported_aligned, sample)
    assert aligned.model.aligned_thresholds
    assert aligned.losses["speech"].loss.value == pytest.approx(plain.losses["speech"].loss.value, rel=1e-5)
    assert aligned.calibration["speech.occurs"].ece == pytest.approx(plain.calibration["speech.occurs"].ece, abs=1e-5)
    before, after = plain.accuracy["speech.occurs"], aligned.accuracy["speech.occurs"]
    assert before.at_even_odds is not None
    assert after.as_engine.value == pytest.approx(before.at_even_odds.value, abs=0.01)


def test_a_slice_that_is_read_worse_is_marked(sample: Path) -> None:
    judged = with_outputs(sample)
    named = [cell.archetype_a for cell in judged.data.cell_names]
    bad = max(set(named), key=named.count)
    here = np.array([named[cell] == bad for cell in judged.cells])
    span = PREDICTIONS.span("thought.awareness")
    judged.raw[here, span] = np.roll(judged.raw[here, span], 1, axis=1)
    found = slices(judged, row_losses(row_terms(judged.logits, judged.labels), HEAD_WEIGHTS)["total"])
    weak = {one.name: one.weak for one in found if one.kind == "archetype" and one.weak}
    assert weak == {bad: ["thought.awareness"]}


def test_data_without_a_manifest_has_no_ceilings_and_says_so(data: Path, run: Path) -> None:
    found = report_of(run, data)
    assert found.losses["total"].irreducible is None
    assert all(entry.ceiling is None for entry in found.accuracy.values())
    assert any("no manifest" in notice for notice in found.notices)


def test_a_file_on_its_own_training_data_is_said_to_be_flattered(
    trained: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(trained)
    divided = find_examples(sample, None)
    found = evaluate(model, divided, judge(model, divided.data, np.arange(9)), worst=0)
    assert any("flatter" in notice for notice in found.notices)
    assert found.mistakes == []


def test_places_count_blank_lines_and_several_files(sample: Path, tmp_path: Path) -> None:
    lines = sample.read_bytes().splitlines(keepends=True)
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_bytes(b"\n" + b"".join(lines[:3]))
    two.write_bytes(lines[3] + b"\n\n" + lines[4])
    data = load_shards([one, two], None)
    found = {(Path(place.file).name, place.line) for place in places(data, range(5))}
    assert found == {("one.jsonl", 2), ("one.jsonl", 3), ("one.jsonl", 4), ("two.jsonl", 1), ("two.jsonl", 4)}
    for row, place in enumerate(places(data, range(5))):
        record = json.loads(Path(place.file).read_bytes().splitlines()[place.line - 1])
        assert np.asarray(record["labels"], np.float32).tolist() == np.asarray(data.labels)[row].tolist()


def test_a_run_whose_data_is_gone_says_so(run: Path) -> None:
    with pytest.raises(StorytellerError, match=r"run\.json says what the run was trained on; name other DATA"):
        find_examples(None, load_checkpoint(run))


def test_a_file_of_another_kind_is_refused(event_folder: Path) -> None:
    with pytest.raises(StorytellerError, match="not a character model"):
        open_model(event_folder / "event_classifier.onnx")


def test_a_file_that_gives_no_numbers_is_refused(edited: Edited) -> None:
    path = edited(lambda model: change(model, "heads.thought.2.bias", lambda bias: bias * np.nan))
    with pytest.raises(StorytellerError, match="NaN or infinity in the outputs; train and export again"):
        open_model(path).outputs(np.zeros((2, FEATURES.size), np.float32))
