from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from storyteller_exporter.commands.write_report import main
from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding
from storyteller_exporter.evaluate.sets import data_sets
from storyteller_exporter.report import event_predictions
from storyteller_exporter.report.event_page import PARTS, event_page, parts_of
from storyteller_exporter.report.event_predictions import event_runs as runs_in
from storyteller_exporter.report.event_predictions import read_set
from storyteller_exporter.report.page import asks_for
from storyteller_schema.contract.events import EntityCategory, Span
from storyteller_trainer.events.model.checkpoint import load_event_checkpoint


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
    text = event_page(runs_in(told_runs))
    assert asks_for(text) == []
    for id, _ in PARTS:
        assert f'<h2 id="{id}">' in text
    for words in ("held-out random", "prose", "F1 of kinds", "F1 of entities", "Threshold of event kinds, prose"):
        assert words in text
    assert "Loss of event by epoch" in text
    assert "Scores of ner by epoch" in text
    assert "training data: 3 texts were cut after 128 tokens" in text
    assert re.search(r"<mark>the rusty sword\s*<small>OBJECT</small></mark>", text)


@pytest.mark.usefixtures("few_sentences")
def test_one_run_has_a_page_of_its_own_task(told_runs: Path) -> None:
    text = event_page([told_runs / "ner"])
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
    found = read_set([load_event_checkpoint(folder) for folder in runs_in(event_runs)], data)
    engine = EngineEvents(event_folder)
    expected = [engine.predict(item, Padding.FIXED) for item in engine.encode(data.examples).items]
    assert [one.kinds for one in found.predictions] == [one.kinds for one in expected]
    assert [[span.start for span in one.spans] for one in found.predictions] == [
        [span.start for span in one.spans] for one in expected
    ]
    assert found.probabilities is not None
    assert np.abs(found.probabilities - [one.probabilities for one in expected]).max() < 1e-4


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
