"""What every command does alike."""

from __future__ import annotations

import errno

import pytest
from click.testing import CliRunner
from storyteller_schema import console
from storyteller_schema.errors import StorytellerError

FAILURES = [
    (StorytellerError("line 3: bad [value]"), "Error: line 3: bad [value]\n"),
    (OSError(errno.ENOSPC, "No space left on device", "artifacts/x.jsonl"), "Error: artifacts/x.jsonl: No space left"),
    (OSError("odd"), "Error: odd\n"),
]


@pytest.mark.parametrize(("failure", "message"), FAILURES)
def test_a_failure_is_one_message_and_exit_code_1(failure: Exception, message: str) -> None:
    @console.command("fail")
    def fail() -> None:
        raise failure

    result = CliRunner().invoke(fail)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert result.stdout == ""


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    @console.command("fail")
    def fail() -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(fail).exception, ZeroDivisionError)


def test_wrong_use_is_exit_code_2() -> None:
    @console.command("fine")
    def fine() -> None: ...

    assert CliRunner().invoke(fine, ["--unknown"]).exit_code == 2
