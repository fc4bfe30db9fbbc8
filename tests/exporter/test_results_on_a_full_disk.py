"""The disk is full from some write on of a command that judges, shows or promotes: one line that names what the user
named, no file in parts, and the next run works."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from failing_disk import at_every_write
from storyteller_exporter.commands.annotate_text import main as annotate
from storyteller_exporter.commands.compare_models import main as compare
from storyteller_exporter.commands.evaluate_character_model import main as evaluate_character
from storyteller_exporter.commands.evaluate_classifier import main as evaluate_events
from storyteller_exporter.commands.promote_model import main as promote
from storyteller_exporter.commands.verify_onnx import main as verify
from storyteller_exporter.commands.write_report import main as write_report

OLD = b'"old"\n'
WORK: dict[str, tuple[click.Command, str, list[str]]] = {
    "annotate": (
        annotate,
        "story.txt --models models --random-share 0 -o tasks.json",
        ["tasks.json", "tasks.config.xml"],
    ),
    "compare": (compare, "model.onnx run --data rows.jsonl --markdown c.md -o c.html", ["c.md", "c.html"]),
    "evaluate the character model": (
        evaluate_character,
        "model.onnx rows.jsonl -o e.json --predictions p.jsonl",
        ["e.json", "p.jsonl"],
    ),
    "evaluate the classifiers": (
        evaluate_events,
        "models/event_classifier sentences.jsonl --latency-sentences 0 -o e.json --predictions p.jsonl",
        ["e.json", "p.jsonl"],
    ),
    "verify": (verify, "model.onnx --checkpoint run -o v.json", ["v.json"]),
    "report": (write_report, "run -o page.html", ["page.html"]),
    "report on events": (write_report, "runs/event -o page.html", ["page.html"]),
}


class EndedError(Exception):
    """A command ended with another code than 0."""

    def __init__(self, code: int, stderr: str) -> None:
        super().__init__(stderr)
        self.code = code
        self.errors = [line for line in stderr.splitlines() if line.startswith("Error: ")]


def call(command: click.Command, words: str) -> None:
    done = CliRunner().invoke(command, words.split(), catch_exceptions=False)
    if done.exit_code:
        raise EndedError(done.exit_code, done.stderr)


def is_told(error: Exception, names: list[str]) -> None:
    """In one line, which says where, why, and what to do."""
    assert isinstance(error, EndedError), repr(error)
    assert error.code == 1
    assert len(error.errors) == 1, str(error)
    where, _, why = error.errors[0].partition(": cannot write here: ")
    assert why.startswith("No space left on device; make room there"), error.errors
    assert any(where.endswith(name) for name in names), error.errors


def is_whole(path: Path) -> bool:
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        json.loads(content)
    if path.suffix == ".jsonl":
        [json.loads(line) for line in content.splitlines()]
    return content.endswith(("\n", "</html>"))


@pytest.mark.slow
@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("name", WORK)
def test_of_what_judges_and_shows(name: str) -> None:
    command, words, written = WORK[name]
    for path in written:
        Path(path).write_bytes(OLD)
    before = {str(path) for path in Path().rglob("*")}

    def check(number: int, error: Exception) -> None:
        is_told(error, written)
        assert all(is_whole(Path(path)) for path in written)
        left = {str(path) for path in Path().rglob("*")} - before
        assert not [path for path in left if path.endswith(".part")]

    assert at_every_write(lambda: call(command, words), check) >= len(written)
    assert all(is_whole(Path(path)) and Path(path).read_bytes() != OLD for path in written)


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_of_a_promotion(run: Path, data: Path) -> None:
    words = f"{run} --models models --data {data} --margin 9 --markdown p.md"
    call(promote, words)
    for _ in range(2):  # over the first one, then over what that left
        before = {path.name: path.read_bytes() for path in Path("models").iterdir() if path.is_file()}

        def check(number: int, error: Exception, before: dict[str, bytes] = before) -> None:
            is_told(error, ["models", "p.md"])
            if "p.md" not in str(error):  # the summary is written when the model is where it belongs
                assert before == {path.name: path.read_bytes() for path in Path("models").iterdir() if path.is_file()}
            assert not [path for path in Path().rglob("*") if path.name.endswith(".part")]

        assert at_every_write(lambda: call(promote, words), check) >= 3
