"""Hints can be pasted: what a shell and make read from them is what was meant."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from storyteller_schema.common import hints
from storyteller_schema.common.hints import as_data, hint
from workspace import ROOT, console_commands

NAMES = ["plain.jsonl", "a b.jsonl", "it's.jsonl", "$HOME.jsonl", "[x].jsonl", "Füße.jsonl", 'a"b.jsonl', "a;b.jsonl"]
#: As in the workspace's own: ARGS is pasted into a line, DATA goes through the environment.
MAKEFILE = """
export DATA
train:
	@printf '%s\\n' "$$DATA" $(NPROC) $(ARGS)
"""


@pytest.fixture
def under_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORYTELLER_MAKE", "make")
    for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):  # of the make that runs these tests: one below it says more
        monkeypatch.delenv(name, raising=False)


def words_read_by_a_shell(line: str) -> list[str]:
    """What a program is given when the line is pasted."""
    shown = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_given_the_names_that_were_meant(name: str) -> None:
    line = hint("train-character-model", "--output-dir", name, "--resume", data=[Path(name), Path("b")], processes=2)
    expected = ["train-character-model", name, "b", "--output-dir", name, "--resume", "--processes", "2"]
    assert words_read_by_a_shell(line) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("under_make")
def test_a_target_is_given_the_names_that_were_meant(name: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")

    def run(line: str) -> list[str]:
        shown = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
        return shown.stdout.splitlines()

    one = hint("train-character-model", "--output-dir", name, "--resume", data=[Path(name)], processes=2)
    assert one.startswith("make train DATA=")
    assert run(one) == [name, "2", "--output-dir", name, "--resume"]
    several = hint("train-character-model", "--resume", data=[Path(name), Path("b")])
    assert run(several) == ["", name, "b", "--resume"]


@pytest.mark.usefixtures("under_make")
def test_the_usual_target_and_another_one() -> None:
    assert hint("train-character-model") == "make train"
    assert hint("generate-training-data", "--output", "x.jsonl") == "make data ARGS='--output x.jsonl'"
    assert hint("verify-onnx", target="verify-events") == "make verify-events"


def test_every_command_has_a_target_that_the_makefile_has() -> None:
    assert set(hints.TARGETS) == set(console_commands())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command, target in hints.TARGETS.items():
        _, _, recipe = makefile.partition(f"\n{target}: ")
        assert f"/{command}" in recipe.partition("\n\n")[0], target


def test_a_command_that_is_not_on_the_path_is_called_where_it_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    beside = Path(sys.executable).with_name("verify-onnx")
    assert shlex.split(hint("verify-onnx")) == [str(beside)]
    (tmp_path / "my bin").mkdir()
    (tmp_path / "my bin" / "verify-onnx").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my bin" / "python"))
    assert hint("verify-onnx") == "'my bin/verify-onnx'", "tmp_path is the working directory"
    assert hint("no-such-command") == "no-such-command"


def test_data_is_named_in_the_words_of_whoever_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_data() == "as DATA"
    monkeypatch.setenv("STORYTELLER_MAKE", "make")
    assert as_data() == "with DATA=..."
