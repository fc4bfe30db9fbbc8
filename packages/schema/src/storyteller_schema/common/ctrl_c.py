"""Ctrl-C, from the first line of a command to its last: exit code 130, one line on stderr, no traceback.

While modules are imported and arguments are read, nothing has been begun that would have to be ended in order, and an
exception may be lost in a module that is half imported: the process ends at once. At work, Ctrl-C is the usual
KeyboardInterrupt, so that half-written files are removed.

Nothing here changes how another program that imports the workspace answers Ctrl-C.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EXIT_CODE = 130
MESSAGE = "Stopped by Ctrl-C."

Handler = Callable[[int, FrameType | None], object]


def answer() -> None:
    """Has Ctrl-C end this process at once, unless whoever started it wants it to be ignored, as `nohup` does."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the process; of several that torchrun started, one speaks for all."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        os.write(2, f"{MESSAGE}\n".encode())
    os._exit(EXIT_CODE)


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """Ends what is under way, as Python does by default."""
    raise KeyboardInterrupt


@contextmanager
def working() -> Iterator[None]:
    """Within it, Ctrl-C is a KeyboardInterrupt."""
    with _answered(stop, instead_of=leave):
        yield


@contextmanager
def importing() -> Iterator[None]:
    """At work, around an import that takes long: within it, Ctrl-C ends the process at once."""
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
