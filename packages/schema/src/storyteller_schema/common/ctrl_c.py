"""Ctrl-C, from the first line of a command to its last: exit code 130, one line on stderr, no traceback.

At work, Ctrl-C is the usual KeyboardInterrupt, so that what was begun is ended in order. In imports and in PyTorch's
exporter an exception would get lost or be taken for a failure: there the process ends at once. When the result is out
and only the interpreter has to end, Ctrl-C changes nothing any more.

What is left is the interpreter's own start, before any of our code: some hundredths of a second in which Ctrl-C is
Python's to answer. So this module imports as little as it can.

Nothing here changes how another program that imports the workspace answers Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # as in typing, whose import takes longer than all of this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType
    from typing import NoReturn

    Handler = Callable[[int, FrameType | None], object]

EXIT_CODE = 130
MESSAGE = "Stopped by Ctrl-C."

_undone: list[Callable[[], object]] = []
_pressed = False


def answer() -> None:
    """Has Ctrl-C end this process at once, unless whoever started it wants it to be ignored, as `nohup` does."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
        sys.unraisablehook = _unraisable


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Python calls this for an exception in a destructor, which it can only print and forget."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        leave(signal.SIGINT, None)
    sys.__unraisablehook__(lost)


def done() -> None:
    """Has Ctrl-C change nothing any more."""
    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the process; of several of one run, one speaks for all."""
    for undo in reversed(_undone):
        with suppress(OSError):
            undo()
    if os.environ.get("LOCAL_RANK", "0") == "0":
        with suppress(OSError):
            os.write(2, f"{MESSAGE}\n".encode())
    os._exit(EXIT_CODE)


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """Ends what is under way, as Python does by default."""
    global _pressed
    _pressed = True
    raise KeyboardInterrupt


def pressed() -> bool:
    """Whether Ctrl-C has come at work: whatever fails then fails because of it."""
    return _pressed


@contextmanager
def working() -> Iterator[None]:
    """Within it, Ctrl-C is a KeyboardInterrupt."""
    with _answered(stop, instead_of=leave):
        yield


@contextmanager
def ending_at_once() -> Iterator[None]:
    """At work, around imports that take long and libraries that swallow exceptions: there, Ctrl-C ends the process."""
    with _answered(leave, instead_of=stop):
        yield


@contextmanager
def _answered(handler: Handler, *, instead_of: Handler) -> Iterator[None]:
    if signal.getsignal(signal.SIGINT) is not instead_of:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, instead_of)


@contextmanager
def undone_by(undo: Callable[[], object]) -> Iterator[None]:
    """Within it, a process that ends at once calls this first."""
    _undone.append(undo)
    try:
        yield
    finally:
        _undone.remove(undo)


@contextmanager
def half_written(path: Path) -> Iterator[None]:
    """Within it, a process that ends at once removes this file, or this folder with all in it, first."""

    def remove() -> None:
        if path.is_dir():
            from shutil import rmtree

            rmtree(path, ignore_errors=True)
        else:
            path.unlink()

    with undone_by(remove):
        yield
