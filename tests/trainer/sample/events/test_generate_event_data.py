"""`generate-event-data`: files, table, JSON, and wrong use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from storyteller_trainer.commands.generate_event_data import main


def test_generates_and_reports(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--per-kind", "4", "--seed", "3", "--output", "data/e.jsonl"])
    assert result.exit_code == 0, result.output
    assert len((tmp_path / "data" / "e.jsonl").read_bytes().splitlines()) == 32
    assert (tmp_path / "data" / "e.manifest.json").is_file()
    assert "RelationalShift" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert "data/e.manifest.json" in result.stderr


def test_json() -> None:
    result = CliRunner().invoke(main, ["--per-kind", "2", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["files"] == ["artifacts/data/events.jsonl", "artifacts/data/events.manifest.json"]
    assert report["kinds"]["all"]["examples"] == 16


def test_prose(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--prose", "prose.jsonl"])
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in (tmp_path / "prose.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(records) >= 220
    assert not [record for record in records if "template" in record]
    assert [path.name for path in tmp_path.iterdir()] == ["prose.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--per-kind", "0"], "0 is not in the range"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--prose", "p.jsonl", "--seed", "3"], "--seed says nothing about it"),
        (["--output", "."], "is a directory"),
    ],
)
def test_wrong_use(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_place_that_cannot_be_written() -> None:
    Path("file").write_text("")
    result = CliRunner().invoke(main, ["--per-kind", "1", "--output", "file/e.jsonl"])
    assert result.exit_code == 1
    assert "cannot write here" in result.stderr


def test_help_shows_an_example() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "generate-event-data --per-kind 1250 --seed 2026 -o artifacts/data/events.jsonl" in result.stdout
