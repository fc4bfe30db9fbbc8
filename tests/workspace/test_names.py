"""Names with blanks, umlauts and brackets work; what no file can be called in UTF-8 is told without a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.table import Table
from storyteller_schema.cli import main as schema
from storyteller_schema.common import console
from storyteller_trainer.commands.generate_event_data import main as generate_events
from storyteller_trainer.commands.generate_training_data import main as generate_character
from storyteller_trainer.commands.train_character_model import main as train_character
from storyteller_trainer.commands.train_event_classifier import main as train_events
from workspace import ROOT, click_commands

NAMES = ["a b", "Füße", "a[", "[red]b[", "b[", ":smile:", "x\\[y", "100%", "$HOME", "it's", "-dash"]
NOT_UTF8 = os.fsdecode(b"bad\xff.jsonl")


def call(command: click.Command, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize("name", NAMES)
def test_files_may_have_any_name(name: str) -> None:
    folder = Path("work", name, "red] x")
    data, events, contract = folder / "c.jsonl", folder / "e[/x].jsonl", folder / "[/b].json"
    made = call(generate_character, "--examples", "300", "--cells", "30", "-o", data)
    assert made.exit_code == 0, made.output
    assert f"{data} (" in made.stdout
    made = call(generate_events, "--per-kind", "12", "-o", events)
    assert made.exit_code == 0, made.output
    assert f"wrote {events}\n" in made.stderr

    assert call(schema, "export", "-o", contract).stderr == f"Wrote {contract}\n"
    assert f"Compared with the engine's JSON {contract}" in call(schema, "check", contract).stdout

    for command, path in ((train_character, data), (train_events, events)):
        found = call(command, path, "--validate-only")
        assert found.exit_code == 0, found.output
    runs = folder / "runs"
    places = ("-o", runs, "--cache-dir", folder / "cache")
    trained = call(train_character, data, "--epochs", "1", "--device", "cpu", *places)
    assert trained.exit_code == 0, trained.output
    assert f"{runs}/best.safetensors" in trained.stdout
    assert json.loads((runs / "run.json").read_bytes())["data"]["file"] == str(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_message_stands_there_as_it_is(name: str) -> None:
    place = Path("work", name)
    assert f"{place}: no " in call(train_character, place).stderr, "no such file, or none that matches this pattern"
    place.mkdir(parents=True)
    (place / "bad.jsonl").write_text("oops [/x]\n")
    for command, file in ((train_character, place / "bad.jsonl"), (train_events, place / "bad.jsonl")):
        found = call(command, file, "--validate-only")
        assert found.exit_code == 1
        assert f"{file}: line 1: " in found.stdout


@pytest.mark.parametrize("text", ["[/x]", "[red]label[/red]", "[link=a]b", ":smile:", "a\\[b", "[1]"])
def test_what_is_printed_is_not_read_as_markup(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for each in (console.out, console.err):
        table = Table(text, title=text)
        table.add_row(text)
        each.print(text)
        each.print(table)
    shown = capsys.readouterr()
    assert shown.out.count(text) == shown.err.count(text) == 4


def test_no_package_makes_a_console_that_would_read_markup_again() -> None:
    sources = [path for path in (ROOT / "packages").rglob("src/**/*.py") if path.name != "console.py"]
    lines = [line for path in sources for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if "Console(" in line and "Console(quiet=True)" not in line] == []


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (name, parameter)
        for name, command in click_commands().items()
        for parameter in command.params
        if isinstance(parameter.type, click.Path)
    ],
    ids=str,
)
def test_a_name_that_is_not_utf8_is_refused(name: str, parameter: click.Parameter) -> None:
    words = [parameter.opts[-1]] if isinstance(parameter, click.Option) else []
    result = call(click_commands()[name], *words, NOT_UTF8)
    assert result.exit_code == 2
    assert "b'bad\\xff.jsonl' is not UTF-8" in result.stderr


@pytest.mark.parametrize("command", [train_character, train_events, schema], ids=str)
def test_nor_may_a_link_lead_to_one(command: click.Command) -> None:
    Path("fine.jsonl").symlink_to(NOT_UTF8)
    result = call(command, *(["check"] if command is schema else []), "fine.jsonl")
    assert result.exit_code == 2
    assert "bad\\xff.jsonl' is not UTF-8" in result.stderr


def test_nor_may_a_link_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fine.jsonl").symlink_to(NOT_UTF8)
    result = call(train_character, "data")
    assert result.exit_code == 2
    assert "bad\\xff.jsonl': the name is not UTF-8" in result.stderr


@pytest.mark.parametrize("command", click_commands().values(), ids=click_commands())
def test_nor_the_working_directory_which_may_not_be_gone_either(
    command: click.Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"annotate-text": ["a"], "compare-models": ["a", "b"], "import-annotations": ["a"]}
    words = arguments.get(str(command.name), ["check"] if command is schema else [])
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    told = call(command, *words)
    assert (told.exit_code, "the working directory is gone; go to another one" in told.stderr) == (2, True)
    try:
        (tmp_path / NOT_UTF8).mkdir()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    monkeypatch.chdir(tmp_path / NOT_UTF8)
    told = call(command, *words)
    assert told.exit_code == 2
    assert "bad\\xff.jsonl': the name of the working directory is not UTF-8; give it another one" in told.stderr
    assert call(command, "--help").exit_code == 0


@pytest.mark.parametrize("variable", ["STORYTELLER_DATA_PATH", "STORYTELLER_MODEL_PATH"])
def test_nor_a_folder_that_the_environment_names(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, NOT_UTF8)
    command = click_commands()["train-character-model" if variable == "STORYTELLER_DATA_PATH" else "verify-onnx"]
    told = call(command)
    assert told.exit_code == 2
    assert f"{variable}: b'bad\\xff.jsonl' is not UTF-8; give the folder another name" in told.stderr


def test_nor_may_a_file_in_a_folder_have_such_a_name(tmp_path: Path) -> None:
    try:
        (tmp_path / NOT_UTF8).write_text("{}\n")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    result = call(train_character, tmp_path)
    assert result.exit_code == 2
    assert "bad\\xff.jsonl'" in result.stderr
    assert "not UTF-8" in result.stderr


@pytest.mark.parametrize("command", [train_character, train_events])
@pytest.mark.parametrize("only", [(), ("--validate-only",)])
def test_a_link_that_leads_to_itself_is_an_error(command: click.Command, only: tuple[str, ...]) -> None:
    Path("loop.jsonl").symlink_to("loop.jsonl")
    result = call(command, "loop.jsonl", *only)
    assert result.exit_code == 2
    assert "loop.jsonl: cannot be read: " in result.stderr


def test_so_it_is_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "loop.jsonl").symlink_to("loop.jsonl")
    assert "data/loop.jsonl: cannot be read: " in call(train_character, "data").stderr
