"""Runs, files and folders of any name are exported, verified and evaluated; a reader that leaves is no failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from storyteller_exporter.commands.evaluate_classifier import main as evaluate
from storyteller_exporter.commands.export_character_model import main as export_character
from storyteller_exporter.commands.export_event_classifier import main as export_events
from storyteller_exporter.commands.verify_onnx import main as verify
from workspace import BIN

NAMES = ["a b ü", "[red]", "b[", ":x:"]


def call(command: click.Command, *arguments: str | Path) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", NAMES)
def test_a_character_model_of_any_name(run: Path, data: Path, name: str) -> None:
    folder = Path("work", name)
    own_run = shutil.copytree(run, folder / "run [/x]")
    rows = shutil.copy(data, folder / "rows [x].jsonl")
    target = folder / "out [/x]" / "model [b].onnx"
    assert str(target) in call(export_character, own_run, "-o", target).stdout
    shown = call(verify, target, "--checkpoint", own_run, "--data", rows, "-o", folder / "report [x].json")
    assert f"{target}: passed" in shown.stdout
    assert f"report: {folder / 'report [x].json'}" in shown.stderr


@pytest.mark.parametrize("name", NAMES)
def test_classifiers_of_any_name(event_folder: Path, event_runs: Path, event_data: Path, name: str) -> None:
    folder = Path("work", name)
    models = shutil.copytree(event_folder, folder / "models [/x]")
    runs = shutil.copytree(event_runs, folder / "runs [/x]")
    sentences = shutil.copy(event_data, folder / f"{name} [bold].jsonl")
    assert f"{models / 'ner_classifier.onnx'}: passed" in call(verify, models, "--checkpoint", runs).stdout
    shown = call(evaluate, models, sentences, "--latency-sentences", "0", "--predictions", folder / "p [/x].jsonl")
    assert f"{name} [bold]: 12 sentences of {sentences}" in shown.stdout
    assert f"predictions: {folder / 'p [/x].jsonl'}" in shown.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("event_runs")
def test_classifiers_are_exported_from_and_to_any_name(event_runs: Path) -> None:
    runs = shutil.copytree(event_runs, Path("work", "ru ns [/x]"))
    shown = call(export_events, runs, "-o", "work/out [/y] ü")
    assert "folder: work/out [/y] ü\n" in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("good", "code"), [(True, 0), (False, 1)])
def test_the_verdict_is_the_exit_code_whoever_reads_it(exported: Path, good: bool, code: int) -> None:
    content = exported.read_bytes()
    Path("model.onnx").write_bytes(content if good else content[:-1000])
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, str(BIN / "verify-onnx"), "model.onnx", "--allow-unjudged", "-o", "report.json"]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, "report: report.json\n")
    assert Path("report.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "written"),
    [
        (("list-runs", "run"), None),
        (("evaluate-character-model", "model.onnx", "rows.jsonl", "-o", "e.json"), "e.json"),
        (("compare-models", "model.onnx", "run", "--data", "rows.jsonl", "--markdown", "c.md"), "c.md"),
        (("export-character-model", "run", "-o", "new.onnx", "--data", "rows.jsonl"), "new.onnx"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_reader_that_leaves_is_no_failure(
    exported: Path, run: Path, data: Path, words: tuple[str, ...], written: str | None
) -> None:
    shutil.copy(exported, "model.onnx")
    shutil.copy(data, "rows.jsonl")
    shutil.copytree(run, "run")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, str(BIN / words[0]), *words[1:]]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert written is None or Path(written).exists(), "the work is done, whoever looks on"
