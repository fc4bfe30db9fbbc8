"""What every command does alike."""

from __future__ import annotations

import errno
import re
from io import StringIO
from typing import Any

import pytest
from click.testing import CliRunner
from rich.table import Table
from storyteller_schema.common import console
from storyteller_schema.common.errors import StorytellerError

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


# --- widths -----------------------------------------------------------------------------------------------------------

HASH = "afc515d0ca1797cfa0595a10b927d3a8800c3a452a14bcb74e2e8199871113c7"
COUNTS = "StateAssertion 1000, ActionOccurrence 1000, SpatialChange 1000, EmotionalExpression 1000, SpeechAct 1000"
TITLE = "largest absolute difference; allowed: atol + 1e-05 x largest value of the row [sic]"


def example_table() -> Table:
    table = Table("check", "found", title=TITLE, title_justify="left")
    table.add_row("fingerprint", f"[green]{HASH}[/]")
    table.add_row("event kinds", COUNTS)
    return table


def printed(**options: Any) -> list[str]:
    text = StringIO()
    console.Output(file=text, highlight=False, soft_wrap=True, **options).print(example_table())
    assert ("\x1b" in text.getvalue()) == ("color_system" in options)
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", text.getvalue()).splitlines()]


@pytest.mark.parametrize("columns", ["", "20", "80"])
def test_piped_tables_are_as_wide_as_what_is_in_them(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    title, top, header, rule, first, second, bottom = printed()
    assert title == TITLE
    assert first == f"│ fingerprint │ {HASH:<{len(COUNTS)}} │"
    assert second == f"│ event kinds │ {COUNTS} │"
    assert {len(line) for line in (top, header, rule, first, second, bottom)} == {len(second)}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_tables_keep_to_its_width(width: int) -> None:
    title, *rows = printed(
        force_terminal=True, width=width, color_system="standard", _environ={"TERM": "xterm", "COLORTERM": ""}
    )
    assert title == TITLE, "one line, which the terminal breaks if it must"
    assert max(map(len, rows)) <= width
    assert all(word.strip(",") in " ".join(rows) for word in COUNTS.split())
    assert HASH in "".join(line.split("│")[2].strip() for line in rows if "│" in line), "folded, and all there"


def test_the_commands_print_to_such_consoles() -> None:
    assert {type(console.out), type(console.err)} == {console.Output}
