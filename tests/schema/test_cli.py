"""`storyteller-schema`: exit codes, what goes to which stream, and the JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def rich() -> Any:
    """The richer form, as this side writes it."""
    return json.loads(run("export", "--rich").stdout)


def with_null_for_an_empty_mapping(document: Any) -> bytes:
    emptied = next(v for v in document["golden_decode"] if v["prediction"]["emotion"]["intensity_delta"] == {})
    emptied["prediction"]["emotion"]["intensity_delta"] = None
    return json.dumps(document).encode()


def with_a_label(label: str) -> Callable[[Any], bytes]:
    def change(document: Any) -> bytes:
        document["events"]["event_kinds"][3] = label
        return json.dumps(document).encode()

    return change


def with_outputs(count: int) -> Callable[[Any], bytes]:
    def change(document: Any) -> bytes:
        document["golden_decode"][4]["outputs"] = [0.5] * count
        return json.dumps(document).encode()

    return change


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        (lambda d: json.dumps(d).encode().replace(b'"tensor"', b'"ten\xffsor"', 1), 2, "not a schema"),
        (lambda d: b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 2, "not a schema"),
        (lambda d: b"[" * 100_000, 2, "not a schema"),
        (lambda d: json.dumps(d).encode().replace(b"453", b"4" * 5000, 1), 2, "not a schema"),
        (with_a_label("\\[/x]"), 1, "EVENT_KIND_LABELS[3]"),
        (with_a_label("[/x]"), 1, "[/x]"),
        (with_a_label("[bold]x"), 1, "[bold]x"),
        (with_a_label("\x1b[2J\n"), 1, "\\x1b[2J\\n"),
        (with_a_label("x" * 100_000), 1, "(100000 characters)"),
        (with_outputs(41), 2, "golden_decode[4].outputs: 41 numbers; expected 42"),
        (with_outputs(0), 2, "golden_decode[4].outputs: 0 numbers; expected 42"),
        (with_null_for_an_empty_mapping, 1, "emotion.intensity_delta"),
    ],
    ids=str,
)
def test_strange_json_is_told_with_file_and_place(
    tmp_path: Path, change: Callable[[Any], bytes], code: int, named: str
) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(change(rich()))
    checked = run("check", path)
    assert checked.exit_code == code, checked.output
    assert isinstance(checked.exception, SystemExit)
    assert named in checked.output
    assert str(path) in checked.output
    assert "\x1b" not in checked.output


@pytest.mark.parametrize(
    ("place", "other"),
    [
        ("action.type", lambda value: [value]),
        ("action.type", lambda value: None),
        ("speech.occurs", int),
        ("speech.occurs", lambda value: str(value).lower()),
        ("action.confidence", str),
        ("emotion.intensity_delta", lambda value: "{}"),
        ("emotion.intensity_delta", lambda value: []),
        ("emotion.awareness_shift", lambda value: "[]"),
        ("emotion.awareness_shift", lambda value: ""),
        ("emotion.awareness_shift", lambda value: None),
    ],
)
def test_a_prediction_of_another_type_is_a_difference(
    tmp_path: Path, place: str, other: Callable[[Any], object]
) -> None:
    document = rich()
    head, field = place.split(".")
    prediction = document["golden_decode"][0]["prediction"]
    prediction[head][field] = other(prediction[head][field])
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    checked = run("check", path)
    assert checked.exit_code == 1
    assert f"golden_decode[0].prediction {place}" in checked.output


def test_strict_counts_what_no_source_shows(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(rich()), encoding="utf-8")
    # The golden vectors of this side alone: what the Rust source cannot show, the JSON does.
    assert run("check", path, "--rust-repo", CRATE, "--strict").exit_code == 0
    assert run("check", path, "--strict").exit_code == 0
    assert run("check", "--strict").exit_code == 0
    document = rich()
    del document["golden_decode"], document["enums"]["Primary"]
    path.write_text(json.dumps(document), encoding="utf-8")
    lenient = run("check", path)
    assert lenient.exit_code == 0
    assert lenient.stdout.splitlines()[-1] == "2 topics were not seen; --strict counts that as a difference."
    strict = run("check", path, "--strict", "--json")
    assert strict.exit_code == 1
    [report] = json.loads(strict.stdout)
    names = [row["name"] for row in report["differences"]]
    assert names == ["enum order Primary", "golden vectors decode"]
    # The Rust source shows the enum: one topic is left.
    both = run("check", path, "--rust-repo", CRATE)
    assert both.stdout.splitlines()[-1] == "1 topic was not seen; --strict counts that as a difference."


def test_lists_that_are_empty_are_lost_and_not_unseen(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    for key, empty in (("constants", {}), ("enums", {"ActionType": []}), ("one_hots", {"ActionType": {}})):
        document = rich()
        document[key] = {**document[key], **empty} if empty else {}
        path.write_text(json.dumps(document), encoding="utf-8")
        assert run("check", path).exit_code == 1
