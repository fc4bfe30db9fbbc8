"""`import-annotations`: what it takes, prints and writes, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from storyteller_trainer.commands.import_annotations import main
from storyteller_trainer.events.data.dataset import load_events


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def line(text: str, *label: object) -> str:
    return json.dumps({"text": text, "label": label}) + "\n"


MAP = '[categories]\nPER = ["CHARACTER", "COLLECTIVE"]\n'


def test_a_file_is_imported(tmp_path: Path) -> None:
    Path("a.jsonl").write_text(line("Mara saw the guards.", [0, 4, "PER"], [9, 19, "PER"], [13, 19, "PER"]))
    Path("map.toml").write_text(MAP)
    result = call(
        "a.jsonl", "--map", "map.toml", "-o", "out/x.jsonl", "--weight", "3", "--train-only", "--register", "player"
    )
    assert result.exit_code == 0, result.output
    assert "1 texts, 1 records, 0 of them with event kinds" in result.stdout
    assert "2 entities: CHARACTER 2" in result.stdout
    assert "1 x a span inside of another: the outermost is kept" in result.stdout
    assert "PER 'guards' and PER 'the guards'" in result.stdout
    assert "wrote out/x.jsonl" in result.stderr
    (example,) = load_events("out/x.jsonl").examples
    assert (example.weight, example.register, example.kinds_annotated) == (3.0, "player", False)
    assert example.train_only
    assert example.categories == ["CHARACTER", "COLLECTIVE"]


def test_json_and_several_files() -> None:
    Path("a.jsonl").write_text(line("Mara waits.", [0, 4, "character"]))
    Path("b.tsv").write_text("Mara\tB-CHARACTER\nleft\tO\n")
    result = call("a.jsonl", "b.tsv", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["file"] == "artifacts/data/annotated.jsonl"
    assert (report["documents"], report["records"], report["entities"]) == (2, 2, 2)
    assert report["dropped"] == {}


def test_the_other_way() -> None:
    Path("a.jsonl").write_text(line("Mara waits.", [0, 4, "CHARACTER"]))
    assert call("a.jsonl", "-o", "events.jsonl").exit_code == 0
    result = call("events.jsonl", "--to", "brat", "-o", "back.ann")
    assert result.exit_code == 0, result.output
    assert Path("back.ann").read_text() == "T1\tCHARACTER 0 4\tMara\n"
    assert Path("back.txt").read_text() == "Mara waits.\n"
    assert "the event kinds were left out" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument"),
        (["no.jsonl"], 2, "no.jsonl: no such file or folder"),
        (["a.xml"], 2, "name it with --format"),
        (["a.jsonl", "--map", "no.toml"], 2, "no.toml"),
        (["a.jsonl", "--weight", "0"], 2, "--weight"),
        (["a.jsonl", "--to", "brat", "--map", "m.toml"], 2, "--to reads event data: --map says nothing about it"),
        (["a.jsonl"], 1, "nobody says what these labels are: PER"),
        (["empty.json"], 1, "nothing to write: no annotated text was found"),
    ],
)
def test_wrong_use(arguments: list[str], code: int, message: str) -> None:
    Path("a.jsonl").write_text(line("Mara waits.", [0, 4, "PER"]))
    Path("a.xml").write_text("x")
    Path("empty.json").write_text("[]")
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.split())
