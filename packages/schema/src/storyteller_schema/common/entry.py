"""Where a console command begins: Ctrl-C is answered and the streams are made safe before anything else is imported."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys

from storyteller_schema.common import ctrl_c

TYPE_CHECKING = False  # see ctrl_c.py
if TYPE_CHECKING:
    from typing import Any, TextIO


#: What stdout is called in an error.
STDOUT = "standard output"
#: How many objects are made before the collector of reference cycles looks at them, and how often it has looked at the
#: young ones before it looks at older ones. By Python's own 700, 10 and 10 it goes through what an import makes, most
#: of which stays, again and again: importing PyTorch took 2.92 s, and takes 2.69 (medians of seven).
COLLECTING = (20_000, 50, 100)


class Entry:
    """A console command, for the `[project.scripts]` of a package."""

    def __init__(self, module: str) -> None:
        """
        Args:
            module: its `main` is the command; imported when the command is called.
        """
        self.module = module

    def command(self) -> Any:
        """The click command."""
        return importlib.import_module(self.module).main

    def __call__(self) -> None:
        ctrl_c.answer()
        gc.set_threshold(*COLLECTING)
        sys.stdout, sys.stderr = _safe(sys.stdout), _safe(sys.stderr)
        code: Any = 1
        try:
            try:
                self.command()()
            except SystemExit as ended:
                code = ended.code
            sys.stdout.flush()
        except OSError as error:
            if error.filename != STDOUT:
                raise
            sys.stderr.write(f"Error: {STDOUT}: {error.strerror}\n")
            code = code or 1
        finally:
            ctrl_c.done()
        sys.exit(code)


class _Stream(io.FileIO):
    """A standard stream whose reader may leave, as `head` does: what comes after goes nowhere, and the work goes on.

    A full disk below stdout is an error, once; below stderr there is nobody left to tell.
    """

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if isinstance(error, BrokenPipeError) or self.fileno() != 1:
                return len(data)
            raise OSError(error.errno, error.strerror, STDOUT) from error


def _safe(stream: TextIO | None) -> TextIO:
    """The same stream, with which neither a closed pipe nor a character that its encoding lacks is an error."""
    if not isinstance(stream, io.TextIOWrapper):
        # Closed from the start. What takes its place also keeps the files that are opened later off its number.
        return open(os.devnull, "w") if stream is None else stream  # noqa: PTH123  pathlib takes a while
    return io.TextIOWrapper(
        io.BufferedWriter(_Stream(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
