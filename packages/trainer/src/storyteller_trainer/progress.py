"""Telling the user how a training run is going: a live line on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from storyteller_schema.console import err


class EpochProgress:
    """Shows epochs as they end. Use as a context manager around the loop.

    On a terminal the bar moves with every step and the figures of the latest epoch stand beside it. Where output is
    no terminal, or a dumb one, every epoch is a line of its own, for a log to keep.
    """

    def __init__(self, epochs: int, done: int = 0, console: Console = err) -> None:
        self._console = console
        self._epochs = epochs
        self._done = done
        self._started = time.monotonic()
        self._live: Progress | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            columns: list[ProgressColumn] = [
                TextColumn("epoch {task.fields[done]}/{task.total:.0f}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[figures]}"),
                TimeElapsedColumn(),
                TextColumn("at most"),
                TimeRemainingColumn(),
                TextColumn("left"),
            ]
            self._live = Progress(*columns, console=console)
            self._task = self._live.add_task("", total=epochs, completed=done, done=done, figures="")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def step(self, done: int, of: int) -> None:
        """Steps done in the epoch that is under way; shown on a terminal only."""
        if self._live:
            self._live.update(self._task, completed=self._done + done / of)

    def epoch(self, number: int, figures: str) -> None:
        """An epoch has ended, with these figures to show."""
        self._done = number
        if self._live:
            self._live.update(self._task, completed=number, done=number, figures=figures)
        else:
            seconds = time.monotonic() - self._started
            self._console.print(f"epoch {number:>{len(str(self._epochs))}}/{self._epochs}  {figures}  {seconds:.1f} s")
