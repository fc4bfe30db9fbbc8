"""Progress on a terminal and in a log."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from storyteller_trainer.progress import EpochProgress


def show(console: Console) -> None:
    with EpochProgress(12, done=8, console=console) as progress:
        for number in (9, 10):
            progress.step(1, 2)
            progress.step(2, 2)
            progress.epoch(number, f"val 1.{number}")


def test_a_log_gets_one_plain_line_an_epoch() -> None:
    text = StringIO()
    show(Console(file=text))
    lines = text.getvalue().splitlines()
    assert [line.rpartition("  ")[0] for line in lines] == ["epoch  9/12  val 1.9", "epoch 10/12  val 1.10"]
    assert "\x1b" not in text.getvalue()


def test_a_terminal_gets_a_bar_that_is_drawn_over_itself() -> None:
    text = StringIO()
    show(Console(file=text, force_terminal=True, width=120, _environ={"TERM": "xterm"}))
    shown = text.getvalue()
    assert "\x1b[" in shown
    assert "epoch 10/12" in shown
    assert "val 1.10" in shown
    assert "left" in shown


def test_a_dumb_terminal_gets_the_plain_lines() -> None:
    text = StringIO()
    show(Console(file=text, force_terminal=True, _environ={"TERM": "dumb"}))
    assert "epoch 10/12  val 1.10" in text.getvalue()
    assert "\x1b[2K" not in text.getvalue()


def test_no_color_is_respected_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = StringIO()
    show(Console(file=text, force_terminal=True, width=120, _environ={"TERM": "xterm", "NO_COLOR": "1"}))
    assert "\x1b[3" not in text.getvalue()


def test_the_display_is_closed_when_the_loop_fails() -> None:
    text = StringIO()
    console = Console(file=text, force_terminal=True, width=120, _environ={"TERM": "xterm"})
    with pytest.raises(RuntimeError, match="stop"), EpochProgress(3, console=console):
        raise RuntimeError("stop")
    assert text.getvalue().endswith("\x1b[?25h"), "the cursor is shown again"
