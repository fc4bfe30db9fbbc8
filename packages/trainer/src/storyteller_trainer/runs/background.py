"""Work that is mostly waiting for the disk, done beside the training."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Background:
    """Does one piece of work at a time in a thread of its own. Use as a context manager: leaving it waits for the work.

    An error of the work is raised where the next `check`, `wait` or `do` is called.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def do(self, work: Callable[[], None]) -> None:
        """Begins some work, when what was begun before is done."""
        self.wait()
        self._pending = self._pool.submit(work)

    def check(self) -> None:
        """Raises what the work raised, if it has ended."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Waits for the work, and raises what it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
