"""`storyteller-schema`: exit codes, what goes to which stream, and the JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from storyteller_schema.cli import main
from workspace import ROOT

CRATE = ROOT / "rust" / "engine"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_export_goes_to_stdout_or_to_a_file(tmp_path: Path) -> None:
    shown = run("export")
    assert shown.exit_code == 0
    assert list(json.loads(shown.stdout)) == ["input_size", "output_size", "input_regions", "output_regions"]
    written = run("export", "-o", tmp_path / "schema.json")
    assert written.exit_code == 0
    assert written.stdout == ""
    assert (tmp_path / "schema.json").read_text(encoding="utf-8") == shown.stdout


@pytest.mark.parametrize("rich", [False, True])
def test_what_is_exported_is_accepted(tmp_path: Path, rich: bool) -> None:
    path = tmp_path / "schema.json"
    assert run("export", "-o", path, *(["--rich"] if rich else [])).exit_code == 0
    checked = run("check", path)
    assert checked.exit_code == 0, checked.output
    assert "No difference." in checked.stdout
    assert ("constants (17)" if rich else "constants: not in this JSON") in checked.stdout


def test_without_a_source_the_reference_is_compared() -> None:
    checked = run("check")
    assert checked.exit_code == 0
    assert "the committed schema of the Rust reference crate" in checked.stdout


def test_a_difference_is_a_row_and_ends_with_1(tmp_path: Path) -> None:
    document = json.loads(run("export").stdout)
    document["input_regions"][2]["name"] = "inner"
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    checked = run("check", path)
    assert checked.exit_code == 1
    assert "input_regions[2]" in checked.stdout
    assert "1 difference." in checked.stdout


def test_both_sources_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    run("export", "-o", path)
    checked = run("check", path, "--rust-repo", CRATE)
    assert checked.exit_code == 0
    assert checked.stdout.count("Compared with") == 2
    path.write_text(path.read_text(encoding="utf-8").replace("tensor", "axes"), encoding="utf-8")
    assert run("check", path, "--rust-repo", CRATE).exit_code == 1


def test_a_source_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    sources: list[list[str | Path]] = [[tmp_path / "nowhere.json"], ["--rust-repo", tmp_path]]
    for arguments in sources:
        checked = run("check", *arguments)
        assert checked.exit_code == 2
        assert checked.stdout == ""
        assert str(tmp_path) in checked.stderr


def test_the_result_as_json(tmp_path: Path) -> None:
    document = json.loads(run("export", "--rich").stdout)
    document["constants"]["MAX_EDGES"] = 6
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    checked = run("check", path, "--json")
    assert checked.exit_code == 1
    [report] = json.loads(checked.stdout)
    assert report["agrees"] is False
    assert report["differences"] == [{"name": "MAX_EDGES", "here": "5", "there": "6"}]
