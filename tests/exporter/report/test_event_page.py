from __future__ import annotations

import json
import platform
import re
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from storyteller_exporter.commands.write_report import main
from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding
from storyteller_exporter.evaluate.event_model import event_runs as runs_in
from storyteller_exporter.evaluate.event_model import open_event_model
from storyteller_exporter.evaluate.sets import data_sets
from storyteller_exporter.report import event_predictions
from storyteller_exporter.report.event_page import PARTS, event_page, parts_of
from storyteller_exporter.report.event_predictions import read_set
from storyteller_exporter.report.page import asks_for
from storyteller_schema.contract.events import EntityCategory, Span
from storyteller_trainer.events.model.checkpoint import EventMetadata
from storyteller_trainer.runs.run_files import BEST
from storyteller_trainer.runs.tensor_file import read_metadata, read_tensors, save_tensors
from storyteller_trainer.sample.events.generate import generate, write_examples


@pytest.fixture
def few_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_predictions, "MOST", 12)


@pytest.fixture
def told_runs(event_runs: Path, tmp_path: Path) -> Path:
    """The runs with a history and a summary, as a training leaves them."""
    runs = shutil.copytree(event_runs, tmp_path / "events")
    for task, scores in (("event", {"macro_f1": 0.5, "micro_f1": 0.6}), ("ner", {"entity_f1": 0.4})):
        row = {"learning_rate": 1e-4, "train": {"total": 1.5, "heads": {}}, "validation": {"total": 1.25, "heads": {}}}
        lines = [json.dumps({"epoch": epoch, **row, "scores": scores}) for epoch in (1, 2)]
        (runs / task / "history.jsonl").write_text("\n".join(lines) + "\n")
        data = {"file": "events.jsonl", "examples": {"train": 40}, "notices": ["3 texts were cut after 128 tokens"]}
        (runs / task / "run.json").write_text(json.dumps({"finished": True, "epochs": 2, "data": data}))
    return runs


@pytest.mark.usefixtures("few_sentences")
def test_the_page_of_both_runs_has_every_part(told_runs: Path) -> None:
    text = event_page(runs_in(told_runs), Path("models"))
    assert asks_for(text) == []
    for id, _ in PARTS:
        assert (f'<h2 id="{id}">' in text) == (id != "comparison")
    assert "There is nothing in models/event_classifier to compare with." in text
    assert f"Event models: run {told_runs.name}, event and ner" in text
    for words in ("held-out random", "prose", "F1 of kinds", "F1 of entities", "Threshold of event kinds, prose"):
        assert words in text
    assert "Loss of event by epoch" in text
    assert "Scores of ner by epoch" in text
    assert "training data: 3 texts were cut after 128 tokens" in text
    assert re.search(r"<mark>the rusty sword\s*<small>OBJECT</small></mark>", text)


@pytest.mark.usefixtures("few_sentences")
def test_the_curves_of_a_single_epoch_are_points(told_runs: Path) -> None:
    history = told_runs / "event" / "history.jsonl"
    history.write_text(history.read_text().splitlines()[0] + "\n")
    text = event_page([told_runs / "event"], Path("models"))
    chart = text[text.index("Loss of event by epoch") :]
    chart = chart[: chart.index("</figure>")]
    assert "<use" in chart[chart.index("axes_1") :]
    assert ">1</text>" in chart
    assert ">0.96" not in chart


@pytest.mark.usefixtures("few_sentences")
def test_one_run_has_a_page_of_its_own_task(told_runs: Path) -> None:
    text = event_page([told_runs / "ner"], Path("models"))
    assert "There is no model of kinds here." in text
    assert "F1 of kinds" not in text
    assert "F1 of entities" in text
    result = CliRunner().invoke(main, [str(told_runs / "event"), "-o", str(told_runs / "page.html")])
    assert result.exit_code == 0, result.output
    assert "F1 of entities" not in (told_runs / "page.html").read_text(encoding="utf-8")


def test_the_checkpoints_are_read_as_the_exported_files_are(
    event_runs: Path, event_folder: Path, event_data: Path
) -> None:
    data = data_sets([event_data])[0]
    found = read_set(open_event_model(event_runs), data)
    engine = EngineEvents(event_folder)
    expected = [engine.predict(item, Padding.FIXED) for item in engine.encode(data.examples).items]
    assert [one.kinds for one in found.run.predictions] == [one.kinds for one in expected]
    assert [[span.start for span in one.spans] for one in found.run.predictions] == [
        [span.start for span in one.spans] for one in expected
    ]
    assert np.abs(found.probabilities - [one.probabilities for one in expected]).max() < 1e-4


@pytest.mark.usefixtures("few_sentences")
def test_exported_files_of_the_runs_are_shown_with_their_latency(told_runs: Path, event_folder: Path) -> None:
    shutil.copytree(event_folder, "models/event_classifier")
    text = event_page(runs_in(told_runs), Path("models"))
    part = text[text.index('<h2 id="file">') :]
    for name in ("event_classifier", "ner_classifier"):
        assert f"event_classifier/{name}.onnx (float32, " in part
    assert "Largest difference from PyTorch" in part
    found = re.search(
        r"through all files of event_classifier, takes ([\d.]+) ms .*? and ([\d.]+) ms in 99 of 100", part
    )
    assert found is not None
    assert 0 < float(found[1]) <= float(found[2])
    assert "Not padded it takes" in part
    assert f" on {platform.node()} (" in part
    assert "Yes, if these F1 are enough for you: event_classifier/event_classifier.onnx" in text
    assert "What lies in models/event_classifier is this very run." in text
    # Files of other runs are not these.
    other = Path(shutil.copytree(told_runs, "other"))
    told = read_metadata(other / "ner" / BEST, EventMetadata)
    tensors, _ = read_tensors(other / "ner" / BEST, EventMetadata)
    save_tensors(other / "ner" / BEST, tensors, msgspec.structs.replace(told, epoch=told.epoch + 1))
    text = event_page(runs_in(other), Path("models"))
    assert "ner_classifier.onnx (float32" not in text
    # With these the runs are compared.
    assert '<h2 id="comparison">' in text
    assert "No difference is shown: the mean F1 is" in text
    assert "macro F1 of kinds" in text


def test_what_partial_data_leaves_out_counts_nowhere_and_is_told(event_runs: Path, tmp_path: Path) -> None:
    """Sentences without kinds, and such in which only some categories were looked for."""
    examples = generate(per_kind=2, seed=3).examples
    partial = [
        msgspec.structs.replace(
            one,
            event_kinds=[],
            action_type=None,
            kinds_annotated=False,
            categories=[EntityCategory.CHARACTER],
            entities=[entity for entity in one.entities if entity.category is EntityCategory.CHARACTER],
        )
        for one in examples[:8]
    ]
    write_examples(tmp_path / "partial.jsonl", [*partial, *examples[8:]])
    found = read_set(open_event_model(event_runs), data_sets([tmp_path / "partial.jsonl"])[0])
    assert len(found.wanted) == len(found.probabilities) == len(examples) - 8
    assert found.report.events.micro.support == found.wanted.sum()
    wanted = sum(entity.category == "OBJECT" for one in examples[8:] for entity in one.entities)
    assert found.report.entities.classes["OBJECT"].support == wanted
    assert "the kinds of 8 sentences were not annotated: they count in no score of kinds" in found.report.notices
    assert any(line.startswith("some categories of 8 sentences") for line in found.report.notices)


def test_event_models_take_no_data(event_runs: Path) -> None:
    result = CliRunner().invoke(main, [str(event_runs), "--data", "other.jsonl"])
    assert result.exit_code == 2
    assert "leave --data out" in result.stderr


def test_entities_are_marked_by_their_bytes() -> None:
    spans = [
        Span(0, 4, EntityCategory.CHARACTER),
        Span(9, 13, EntityCategory.OBJECT),
        Span(10, 12, EntityCategory.OBJECT),
    ]
    assert [tuple(part) for part in parts_of("Zoë has gold.", spans)] == [
        ("Zoë", "CHARACTER"),
        (" has ", ""),
        ("gold", "OBJECT"),
        (".", ""),
    ]
    assert parts_of("", []) == []
