"""The streams of a real process: a reader that leaves, a disk that is full, and the exit codes then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from workspace import BIN

EXPORT = [sys.executable, str(BIN / "storyteller-schema"), "export"]


def end_of(line: str, *words: str) -> tuple[int, str, str]:
    """Exit code of the first command of a line for the shell, and what came out in the end."""
    done = subprocess.run(
        ["bash", "-c", f'{line}; exit "${{PIPESTATUS[0]}}"', "bash", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [["export"], ["check"], ["--help"], ["export", "--help"], ["--version"]])
@pytest.mark.parametrize("reader", ["head -1", "true", "head -c 1"])
def test_a_reader_that_leaves_is_no_error(arguments: list[str], reader: str) -> None:
    code, _, errors = end_of(f'"$@" | {reader}', *EXPORT[:-1], *arguments)
    assert (code, errors) == (0, "")


@pytest.mark.parametrize("arguments", [["export"], ["check"], ["--help"], ["export", "--help"], ["--version"]])
def test_a_full_disk_below_stdout_is_told_once(arguments: list[str]) -> None:
    code, _, errors = end_of('"$@" > /dev/full', *EXPORT[:-1], *arguments)
    assert (code, errors) == (1, "Error: standard output: No space left on device\n")


def test_a_full_disk_below_stderr_changes_no_exit_code() -> None:
    Path("golden.json").write_text("{")
    for arguments, expected in (["export"], 0), (["export", "--unknown"], 2), (["check", "golden.json"], 2):
        assert end_of('"$@" 2> /dev/full', *EXPORT[:-1], *arguments)[0] == expected


def test_wrong_use_on_a_closed_pipe_stays_wrong_use() -> None:
    assert end_of('"$@" 2>&1 | true', *EXPORT, "--unknown")[0] == 2
