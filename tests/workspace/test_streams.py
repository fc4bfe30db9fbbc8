"""A reader that leaves, as `head` does, and a terminal that lacks a letter: neither is a failure of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from workspace import BIN, click_commands

QUICK = {
    "generate-training-data": ("--examples", "40", "--cells", "10", "-o", "made.jsonl"),
    "generate-event-data": ("--per-kind", "2", "-o", "made.jsonl"),
    "storyteller-schema check": (),
    "storyteller-schema export": ("--rich",),
}
HELP = dict.fromkeys(click_commands(), ("--help",))


def call_without_a_reader(command: str, *arguments: str, errors_too: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs a command whose stdout, and stderr if asked for, leads into a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, str(BIN / command.split()[0]), *command.split()[1:], *arguments]
    try:
        return subprocess.run(
            words, stdout=writing, stderr=writing if errors_too else subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize(("command", "arguments"), [*QUICK.items(), *HELP.items()])
def test_a_pipe_that_is_closed_is_no_failure(command: str, arguments: Sequence[str]) -> None:
    done = call_without_a_reader(command, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert Path("made.jsonl").exists() == ("made.jsonl" in arguments), "the work is done, whoever looks on"


@pytest.mark.parametrize(("command", "arguments"), QUICK.items())
def test_nor_where_messages_go_there_too(command: str, arguments: Sequence[str]) -> None:
    assert call_without_a_reader(command, *arguments, errors_too=True).returncode == 0


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "arguments"), QUICK.items())
def test_streams_that_were_closed_from_the_start_are_no_failure_either(
    command: str, arguments: Sequence[str], closed: str
) -> None:
    name, *words = command.split()
    line = " ".join([f"'{sys.executable}' '{BIN}/{name}'", *words, *arguments, closed])
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if "made.jsonl" in arguments:
        assert Path("made.jsonl").read_text(encoding="utf-8").startswith('{"id"'), "nothing else was written into it"


def test_the_exit_code_of_what_failed_is_kept() -> None:
    Path("schema.json").write_text("{}")
    assert call_without_a_reader("storyteller-schema", "check", "schema.json").returncode == 2
    assert call_without_a_reader("generate-event-data", "-o", "schema.json/made.jsonl").returncode == 1


def test_the_first_lines_arrive() -> None:
    shown = subprocess.run(
        f"'{sys.executable}' '{BIN}/storyteller-schema' export --rich | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "{\n0\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_letter_that_the_terminal_lacks_is_written_in_another_way(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "jež ü").mkdir()
    done = subprocess.run(
        [BIN / "generate-event-data", "--per-kind", "2", "-o", "jež ü/made.jsonl"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "wrote jež ü/made.jsonl".encode(encoding, errors="backslashreplace") in done.stderr
