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
from storyteller_trainer.commands.generate_event_data import main as generate_events
from tiny_encoders import save_tiny_encoder
from workspace import BIN, click_commands, console_commands

NAMES = ["a b ü", "[red]", "b[", ":x:"]


def call(command: click.Command, *arguments: str | Path) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def without_a_reader(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command whose stdout leads into a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, str(BIN / command), *arguments]
    try:
        return subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)


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
    done = without_a_reader("verify-onnx", "model.onnx", "--allow-unjudged", "-o", "report.json")
    assert (done.returncode, done.stderr) == (code, "report: report.json\n")
    assert Path("report.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("good", "code"), [(True, 0), (False, 1)])
def test_the_verdict_on_a_folder_is_the_exit_code_too(
    event_folder: Path, event_runs: Path, good: bool, code: int
) -> None:
    folder = Path(shutil.copytree(event_folder, "models"))
    if not good:
        (folder / "ner_classifier.onnx").unlink()
    done = without_a_reader("verify-onnx", "models", "--checkpoint", str(event_runs), "-o", "report.json")
    assert (done.returncode, done.stderr) == (code, "report: report.json\n")
    assert Path("report.json").exists()


#: A use of every other command, and what is there afterwards.
WORK: dict[str, tuple[str, str | None]] = {
    "annotate-text": ("story.txt --models models --random-share 0 -o tasks.json", "tasks.json"),
    "compare-models": ("model.onnx run --data rows.jsonl --markdown c.md", "c.md"),
    "evaluate-character-model": ("model.onnx rows.jsonl -o e.json", "e.json"),
    "evaluate-classifier": ("models/event_classifier sentences.jsonl --latency-sentences 2 -o e.json", "e.json"),
    "export-character-model": ("run -o new.onnx --data rows.jsonl", "new.onnx"),
    "export-event-classifier": ("runs -o new", "new/tokenizer.json"),
    "generate-event-data": ("--per-kind 2 -o made.jsonl", "made.jsonl"),
    "generate-training-data": ("--examples 40 --cells 10 -o made.jsonl", "made.jsonl"),
    "import-annotations": ("sentences.jsonl -o made.jsonl", "made.jsonl"),
    "list-runs": ("run", None),
    "promote-model": ("run --models new --data rows.jsonl --markdown p.md", "new/character_predictor.onnx"),
    "storyteller-schema": ("check", None),
    "train-event-classifier": (
        "events.jsonl --encoder encoder --task event --epochs 1 -o trained",
        "trained/event/last.safetensors",
    ),
    "train-character-model": ("sample.jsonl --epochs 1 -o trained", "trained/last.safetensors"),
    "write-report": ("run -o page.html", "page.html"),
}


def test_the_work_of_every_command_is_here() -> None:
    elsewhere = {"verify-onnx"}  # the tests above
    assert set(WORK) == set(console_commands()) - elsewhere


@pytest.fixture
def all_work(work: None, sample: Path) -> None:
    """What there is to work on for every command."""
    shutil.copy(sample, "sample.jsonl")
    save_tiny_encoder(Path("encoder"), "bert")
    generate_events(["--per-kind", "4", "-o", "events.jsonl"], standalone_mode=False)


#: What is looked for in a place, and need not be there.
LOOKED_FOR = {("list-runs", "run"), ("train-character-model", "--cache-dir")}


@pytest.mark.slow
@pytest.mark.usefixtures("all_work", "traced")
@pytest.mark.parametrize("name", sorted({*WORK, "verify-onnx"}))
def test_a_link_that_leads_to_itself_is_told_in_one_line_wherever_it_is_named(name: str) -> None:
    Path("loop.jsonl").symlink_to("loop.jsonl")
    words = "models/event_classifier --checkpoint runs" if name == "verify-onnx" else WORK[name][0]
    command = click_commands()[f"{name} check" if name == "storyteller-schema" else name]
    given = [word for word in words.split() if word != "check"]
    named = [word for number, word in enumerate(given) if "-" not in (word[0], given[number - 1][0] if number else "")]
    tries = [(word, ["loop.jsonl" if each == word else each for each in given]) for word in named]
    tries += [
        (parameter.opts[-1], [*given, parameter.opts[-1], "loop.jsonl"])
        for parameter in command.params
        if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Path)
    ]
    for what, line in tries:
        if (name, what) in LOOKED_FOR:
            continue
        done = CliRunner().invoke(command, line, catch_exceptions=False)
        errors = [each for each in done.stderr.splitlines() if each.startswith("Error: ")]
        told = errors if name != "promote-model" or what != "--checkpoint" else done.stdout.splitlines()[1:2]
        assert done.exit_code in (1, 2), (line, done.output)
        assert len(told) == 1, (line, done.output)
        assert "loop.jsonl" in told[0] or "leave" in told[0], (line, told)


@pytest.mark.slow
@pytest.mark.usefixtures("all_work")
@pytest.mark.parametrize("command", WORK)
def test_a_reader_that_leaves_is_no_failure(command: str) -> None:
    words, written = WORK[command]
    done = without_a_reader(command, *words.split())
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert written is None or Path(written).exists(), "the work is done, whoever looks on"
