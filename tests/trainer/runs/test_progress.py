"""Progress on a terminal and in a log."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console
from storyteller_trainer.runs.progress import EpochProgress, fitting

#: What a run of the character model and a joint run of the event models say after an epoch.
CHARACTER = "train 1.5320  val 1.4414  best 1.4414 (epoch 40)  lr 1.0e-05"
JOINT = "train 0.4321  val 0.2101  macro F1 0.9974  micro F1 0.9972  entity F1 0.9995"


def terminal(text: StringIO, width: int = 120, **environment: str) -> Console:
    return Console(file=text, force_terminal=True, width=width, _environ={"TERM": "xterm", **environment})


def show(console: Console, figures: str = CHARACTER) -> None:
    with EpochProgress(100, done=8, console=console) as progress:
        for number in (9, 10):
            progress.step(1, 2)
            progress.step(2, 2)
            progress.epoch(number, figures)


def last_frame(text: StringIO) -> list[str]:
    """What stands on the terminal at the end; a frame is drawn where the one before was erased line by line."""
    frame = text.getvalue().rpartition("\x1b[2K")[2]
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame).rstrip("\n").split("\n")]


def test_a_log_gets_one_plain_line_an_epoch() -> None:
    text = StringIO()
    show(Console(file=text, width=60, soft_wrap=True))
    lines = text.getvalue().splitlines()
    assert [line.rpartition("  ")[0] for line in lines] == [
        f"epoch   9/100  {CHARACTER}",
        f"epoch  10/100  {CHARACTER}",
    ]
    assert "\x1b" not in text.getvalue()


@pytest.mark.parametrize(("width", "bar"), [(50, 8), (60, 18), (80, 38), (120, 40), (200, 40)])
@pytest.mark.parametrize("figures", [CHARACTER, JOINT])
def test_bar_and_times_are_there_at_every_width(width: int, bar: int, figures: str) -> None:
    text = StringIO()
    show(terminal(text, width), figures)
    assert "\x1b[" in text.getvalue()
    first, second = last_frame(text)
    time = r"\d:\d\d:\d\d"
    assert re.fullmatch(rf"epoch 10/100 [━╸╺]{{{bar}}} {time} at most {time} left", first)
    assert second == fitting(figures, width)
    assert len(first) <= width


def test_figures_are_shown_whole_and_the_first_ones_first() -> None:
    assert fitting(CHARACTER, 60) == CHARACTER
    assert fitting(CHARACTER, 59) == "train 1.5320  val 1.4414  best 1.4414 (epoch 40)"
    assert fitting(JOINT, 60) == "train 0.4321  val 0.2101  macro F1 0.9974  micro F1 0.9972"
    assert fitting(JOINT, 5) == "train 0.4321"


def test_before_the_first_epoch_has_ended_there_is_a_bar_alone() -> None:
    text = StringIO()
    with EpochProgress(100, console=terminal(text, 60)) as progress:
        progress.step(1, 2)
    (line,) = last_frame(text)
    assert re.fullmatch(r"epoch 0/100 [━╸╺]{19} \d:\d\d:\d\d at most [-\d]:[-\d]+:[-\d]+ left", line)


def test_a_dumb_terminal_gets_the_plain_lines() -> None:
    text = StringIO()
    show(terminal(text, TERM="dumb"))
    assert f"epoch  10/100  {CHARACTER}" in text.getvalue()
    assert "\x1b[2K" not in text.getvalue()


def test_no_color_is_respected_on_a_terminal() -> None:
    text = StringIO()
    show(terminal(text, NO_COLOR="1"))
    assert "\x1b[3" not in text.getvalue()


def test_the_display_is_closed_when_the_loop_fails() -> None:
    text = StringIO()
    with pytest.raises(RuntimeError, match="stop"), EpochProgress(3, console=terminal(text)):
        raise RuntimeError("stop")
    assert text.getvalue().endswith("\x1b[?25h"), "the cursor is shown again"
