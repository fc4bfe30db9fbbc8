from __future__ import annotations

import html
import json
import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner
from storyteller_exporter.export.character import export_character
from storyteller_exporter.report.character_page import PARTS, character_page
from storyteller_exporter.report.page import LIMIT, asks_for
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_trainer.commands import train_character_model


@pytest.fixture(scope="module")
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_it_is_small_and_asks_for_nothing(text: str) -> None:
    assert len(text.encode()) < LIMIT
    assert asks_for(text) == []
    assert not re.search(r"<(link|script)[^>]*\b(src|href)=\"(?!data:,)", text)


def test_it_has_every_part_and_answers_every_question(text: str) -> None:
    for id, _ in PARTS:
        assert (f'<h2 id="{id}">' in text) == (id != "comparison")
    for question in (
        "What did this run do?",
        "How good is it?",
        "Is it better",
        "Where is it wrong?",
        "May I ship it?",
    ):
        assert question in text
    assert "it came to its end" in text
    assert "Yes: character_predictor.onnx" in text
    assert "is this very run" in text


def test_its_figures_are_those_of_run_json(text: str, trained: Path) -> None:
    told = json.loads((trained / "run.json").read_text())
    assert f"{told['val_loss']:.4f}" in text
    assert f"{told['irreducible']['total']:.4f}" in text
    # The confusion of the awareness, as a table.
    for row in told["metrics"]["categorical"]["thought.awareness"]["confusion"]:
        assert re.search(r"\s*".join(rf"<td[^>]*>{count}</td>" for count in row), text)


def test_both_cuts_stand_on_the_reliability_of_binary_fields(text: str) -> None:
    chart = text[text.index("Calibration of speech.occurs") :]
    chart = chart[: chart.index("</figure>")]
    assert "even odds: 0.5" in chart
    assert "cut: 0.622" in chart


def test_without_its_data_a_page_shows_what_the_run_wrote_down(own_run: Path, models: Path) -> None:
    told = json.loads((own_run / "run.json").read_text())
    told["data"]["files"][0]["path"] = "/nowhere/data.jsonl"
    (own_run / "run.json").write_text(json.dumps(told))
    text = character_page(own_run, data=None, models=models)
    assert "/nowhere/data.jsonl is not there any more" in text
    assert "Loss by epoch" in text
    assert "explorer-root" not in text


def test_an_unfinished_run_may_not_be_shipped(own_run: Path, models: Path) -> None:
    told = json.loads((own_run / "run.json").read_text())
    told["finished"] = False
    (own_run / "run.json").write_text(json.dumps(told))
    text = character_page(own_run, data=None, models=models)
    assert "No: the run is not finished." in text


def test_a_run_is_compared_with_the_file_that_the_engine_has(trained: Path, run: Path, exported: Path) -> None:
    text = character_page(trained, data=None, models=exported.parent)
    assert '<h2 id="comparison">' in text
    assert "It is better" in text  # than random weights
    assert "No verified file of this run" in text


def test_int8_changes_are_shown(trained: Path, tmp_path: Path) -> None:
    export_character(trained, tmp_path / "int8" / CHARACTER.file_name, int8=True, allow_unjudged=True)
    text = character_page(trained, data=None, models=tmp_path)
    assert "What rounding to eight bits changed" in text


def test_data_that_is_named_has_to_be_there(trained: Path, models: Path) -> None:
    with pytest.raises(StorytellerError, match=r"nowhere\.jsonl"):
        character_page(trained, data=Path("nowhere.jsonl"), models=models)


def test_names_from_the_data_cannot_change_the_page(own_run: Path, sample: Path, models: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil.jsonl"
    lines = [json.loads(line) for line in sample.read_text().splitlines()]
    for line in lines:
        line["cell"]["archetype_a"] = "</script><script>window.evil = 1</script>"
    evil.write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = character_page(own_run, data=evil, models=models)
    assert "</script><script>window.evil" not in text
    assert "&lt;/script&gt;" in text


def test_the_latency_of_the_exported_file_is_measured_and_says_where(text: str) -> None:
    part = text[text.index('<h2 id="file">') :]
    found = re.search(r"One prediction takes ([\d.]+) ms in the median and ([\d.]+) ms in 99 of 100 cases", part)
    assert found is not None
    assert 0 < float(found[1]) <= float(found[2])
    assert f"with ONNX Runtime {version('onnxruntime')} on {platform.node()} (" in part
    assert "1,000 calls on one thread" in part


def test_the_page_warns_of_the_data_as_validation_does(text: str, sample: Path) -> None:
    result = CliRunner().invoke(train_character_model.main, [str(sample), "--validate-only"])
    lines = result.stdout.splitlines()
    warnings, notes = (
        [line.partition(": ")[2] for line in lines if line.startswith(kind)] for kind in ("warning: ", "note: ")
    )
    part = html.unescape(text[text.index('<h2 id="data">') : text.index('<h2 id="slices">')])
    assert warnings
    assert notes
    assert re.findall(r'<li class="warn-text">(.*)</li>', part) == warnings
    assert re.findall(r"<li>(.*)</li>", part) == notes
    assert "Before the training: " in part  # whether the labels follow the rules
