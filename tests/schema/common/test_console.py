"""What every command does alike."""

from __future__ import annotations

import errno
import json
import re
from io import StringIO
from typing import Any

import click
import pytest
from click.testing import CliRunner
from rich.table import Table
from rich.text import Text
from storyteller_schema.common import console
from storyteller_schema.common.errors import StorytellerError, WrongValue

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


# --- what the data brings into a message ------------------------------------------------------------------------------

ODD = [
    ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
    ("two\nlines\r\n", r"two\nlines\r\n"),
    ("[/x] [bold]b[/bold] [link=file:///etc]", "[/x] [bold]b[/bold] [link=file:///etc]"),
    (r"\[/x]", r"\[/x]"),
    (":smile:", ":smile:"),
    ("\x9b2J\x07\x08\x7f\0", r"\x9b2J\x07\x08\x7f\x00"),
    ("a\u202eb\u2028c\ufeff", r"a\u202eb\u2028c\ufeff"),
    ("\udcff", r"\udcff"),
    ("Zoë 人 👩‍🚀 สวัสดี", "Zoë 人 👩‍🚀 สวัสดี"),
]

CONTROLS = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ufeff]"


@pytest.mark.parametrize(("text", "shown"), ODD)
def test_a_message_is_one_line_without_controls_or_markup(text: str, shown: str) -> None:
    @console.command("fail")
    @click.argument("how")
    def fail(how: str) -> None:
        match how:
            case "error":
                raise StorytellerError(f"a.jsonl: {text}; mend it")
            case "value":
                raise WrongValue(f"a.jsonl: {text}; mend it", "how")
            case "system":
                raise OSError(errno.ENOSPC, "; mend it", f"a.jsonl: {text}")
            case "use":
                raise click.BadParameter(f"a.jsonl: {text}; mend it")
            case "details":
                raise StorytellerError(f"{text} first", details=[f"{text} second", "third"])

    for how in ("error", "value", "system", "use"):
        last = CliRunner().invoke(fail, [how]).stderr.splitlines()[-1]
        assert last.replace(": ; mend", "; mend").endswith(f"a.jsonl: {shown}; mend it"), how
    assert CliRunner().invoke(fail, ["details"]).stderr == f"Error: {shown} first\n{shown} second\nthird\n"


@pytest.mark.parametrize("text", [text for text, _ in ODD if "\0" not in text])
def test_wrong_words_on_the_command_line_are_shown_likewise(text: str) -> None:
    @console.group("several")
    def several() -> None: ...

    @several.command("one")
    @click.option("--number", type=int)
    def one(number: int) -> None: ...

    for arguments in ([text], ["one", "--number", text], ["one", f"--x{text}"], ["one", text]):
        result = CliRunner().invoke(several, arguments)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].startswith("Error: "), "one line"
        assert not re.search(CONTROLS, result.stderr)


@pytest.mark.parametrize(("text", "shown"), ODD)
def test_so_is_whatever_is_printed(text: str, shown: str) -> None:
    table = Table(f"head {text}", title=f"title {text}")
    table.add_row(f"cell {text}")
    table.add_row(Text(f"text {text}", "bold"))
    written = StringIO()
    output = console.Output(file=written, highlight=False, soft_wrap=True, markup=False, emoji=False)

    class Problem:
        def __str__(self) -> str:
            return f"object {text}"

    output.print(f"line {text}")
    output.print(Text(f"styled {text}".replace("\n", "")), f"and {text}")
    output.print(Problem())
    output.print(table)
    found = written.getvalue()
    for what in ("line", "and", "object", "title", "head", "cell"):
        assert f"{what} {shown}" in found
    assert not re.search(CONTROLS, found)


def test_a_long_message_keeps_its_place_and_its_advice() -> None:
    @console.command("fail")
    def fail() -> None:
        raise StorytellerError(f"a.jsonl: line 3: {'x' * 100_000}; correct it there")

    said = CliRunner().invoke(fail).stderr
    assert said.startswith("Error: a.jsonl: line 3: xxx")
    assert said.endswith("xxx; correct it there\n")
    assert "characters ...]" in said
    assert len(said) < 2200


def test_json_keeps_the_value_and_shows_no_controls(capsys: pytest.CaptureFixture[str]) -> None:
    value = {text: [text, {"inner": text}] for text, _ in ODD if "\udcff" not in text}
    console.print_json(value)
    printed_json = capsys.readouterr().out
    assert json.loads(printed_json) == value
    assert not re.search(CONTROLS, printed_json)
