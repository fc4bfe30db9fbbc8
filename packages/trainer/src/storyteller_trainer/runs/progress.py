"""Telling the user how a training run is going: a live display on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text
from storyteller_schema.common.console import err

#: Columns of the terminal that the bar takes where there is room. It is what shrinks; words and times do not.
_BAR = 40
#: What stands between two figures.
_GAP = "  "


class _Display(Progress):
    """The bar with its times, and the figures of the latest epoch in a line of their own."""

    def __init__(self, console: Console) -> None:
        def fixed() -> Column:
            return Column(no_wrap=True)

        super().__init__(
            TextColumn("epoch {task.fields[done]}/{task.total:.0f}", table_column=fixed()),
            BarColumn(bar_width=None, table_column=Column(max_width=_BAR)),
            TimeElapsedColumn(table_column=fixed()),
            TextColumn("at most", table_column=fixed()),
            TimeRemainingColumn(table_column=fixed()),
            TextColumn("left", table_column=fixed()),
            console=console,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Called whenever it is drawn."""
        yield self.make_tasks_table(self.tasks)
        for figures in (task.fields["figures"] for task in self.tasks):
            if figures:
                yield Text(fitting(figures, self.console.width), no_wrap=True, overflow="ellipsis")


class EpochProgress:
    """Shows epochs as they end. Use as a context manager around the loop.

    On a terminal the bar moves with every step and the figures of the latest epoch stand below it. Where output is
    no terminal, or a dumb one, every epoch is a line of its own, for a log to keep.
    """

    def __init__(self, epochs: int, done: int = 0, console: Console = err) -> None:
        self._console = console
        self._epochs = epochs
        self._done = done
        self._started = time.monotonic()
        self._live: _Display | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = _Display(console)
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
        """An epoch has ended, with these figures to show, two blanks between them, the most important first."""
        self._done = number
        if self._live:
            self._live.update(self._task, completed=number, done=number, figures=figures)
        else:
            seconds = time.monotonic() - self._started
            self._console.print(f"epoch {number:>{len(str(self._epochs))}}/{self._epochs}  {figures}  {seconds:.1f} s")


def fitting(figures: str, width: int) -> str:
    """As many whole figures, from the first, as a line has room for; one at least."""
    kept = figures.split(_GAP)
    while len(kept) > 1 and len(_GAP.join(kept)) > width:
        kept.pop()
    return _GAP.join(kept)
