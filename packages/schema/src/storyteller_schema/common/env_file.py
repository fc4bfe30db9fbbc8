"""The user's `.env`: found, read and checked before anything is taken from it.

A line that cannot be read is never passed over: with a quote that is not closed, a path would be lost, and training
would go on with other data. Messages name the variable and never the value, which may be a secret.
"""

from __future__ import annotations

import io
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from dotenv.parser import parse_stream

from storyteller_schema.common.errors import StorytellerError

NAME = ".env"
_ADVICE = "see .env.example"
#: Bytes; more than anybody writes into it, and little enough to be parsed at once.
_LARGEST = 1 << 20


class EnvFileError(StorytellerError):
    """A `.env` that cannot be used: wrong use, and no work has been done."""


class EnvFile(NamedTuple):
    """A file that can be read and parsed."""

    path: Path
    text: str
    #: Name of a variable to the line that sets it, the last one where there are several.
    lines: dict[str, int]

    def refuse(self, name: str, why: str) -> EnvFileError:
        """The error for one of its variables."""
        return EnvFileError(f"{self.path}: line {self.lines[name]}: {name} {why}")


def find_env_file(folder: Path) -> Path | None:
    """The nearest `.env` in the folder or above it, whatever it is."""
    return next((place / NAME for place in (folder, *folder.parents) if os.path.lexists(place / NAME)), None)


def read_env_file(path: Path) -> EnvFile:
    """Reads and parses a file.

    Raises:
        EnvFileError: it cannot be read, is not UTF-8, or holds a line that is not NAME=value.
    """
    expected = f"expected a file of lines NAME=value ({_ADVICE})"
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise EnvFileError(f"{path}: is a folder; {expected}: rename the folder")
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for, and a device has no end
            raise EnvFileError(f"{path}: is no regular file; {expected}: replace it")
        if about.st_size > _LARGEST:
            raise EnvFileError(f"{path}: has more than {_LARGEST >> 20} MiB; {expected}")
        content = path.read_bytes()
    except OSError as error:
        raise EnvFileError(f"{path}: cannot be read: {error.strerror}; make it readable, or remove it") from error
    text = _decoded(path, content)
    lines: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text)):
        written = binding.original.string
        blank = written[: len(written) - len(written.lstrip())]
        line = binding.original.line + len(re.findall(r"\r\n|\n|\r", blank))
        if binding.error or "=" in (binding.key or ""):
            raise EnvFileError(f"{path}: line {line}: {_fault(written)}; mend the line, or begin it with #")
        if binding.key is not None:
            lines[binding.key] = line
    return EnvFile(path, text, lines)


def _decoded(path: Path, content: bytes) -> str:
    advice = "save the file as plain text in UTF-8"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        kind = " (it looks like UTF-16)" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
        found = f"byte {content[error.start]:#04x} is not UTF-8{kind}"
        raise EnvFileError(f"{path}: line {line}: {found}; {advice}") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise EnvFileError(f"{path}: line {line}: holds a NUL character; {advice}")
    return text


def _fault(line: str) -> str:
    """What is wrong with a line that cannot be parsed."""
    quoted = re.match(r"""\s*(?:export\s+)?([^\s=#'"]+)\s*=\s*(['"])(.*)""", line)
    if quoted is None:
        return "is not NAME=value"
    name, quote, rest = quoted.groups()
    return f"{name} has text behind its closing quote" if quote in rest else f"{name} has a quote that is not closed"
