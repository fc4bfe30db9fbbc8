"""Why something that was read is not what it should be, in the words of every reader of this package."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec

from storyteller_trainer.reading.problems import Problem, ProblemKind

#: What decoding JSON raises, by msgspec or by the standard library.
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError)


class Fault(NamedTuple):
    """A problem whose line is not known yet; the fields are those of `Problem`."""

    kind: ProblemKind
    field: str
    found: str
    expected: str

    def at_line(self, line: int) -> Problem:
        """The problem, in a line counted from 1."""
        return Problem(line=line, kind=self.kind, field=self.field, found=self.found, expected=self.expected)


def check_encoding(line: bytes) -> None:
    """Refuses a line that is not UTF-8 throughout: msgspec does not look at what belongs to keys that it passes over.

    Raises:
        UnicodeDecodeError: with the place in the line.
    """
    if not line.isascii():  # which costs next to nothing
        line.decode()


def text_fault(line: bytes, complaint: Exception) -> Fault:
    """Why a line is no JSON at all.

    Args:
        line: with its line end, if it has one: the last line of a file that was cut off has none.
        complaint: one of `DECODE_ERRORS`, and no ValidationError.
    """
    try:
        line.decode()  # once more: msgspec's error counts from the string that is wrong, not from the line
    except UnicodeDecodeError as error:
        found = f"byte {line[error.start]:#04x} at byte {error.start} of the line"
        return Fault(ProblemKind.ENCODING, "", found, "save the file as UTF-8")
    if line.endswith(b"\n"):
        return Fault(ProblemKind.JSON, "", _said(complaint), "one JSON object a line is expected")
    return Fault(ProblemKind.TRUNCATED, "", _said(complaint), "the last line is incomplete: copy the file again")


def _said(complaint: Exception) -> str:
    """The standard library counts lines within the line, which would be taken for those of the file."""
    if isinstance(complaint, json.JSONDecodeError):
        return f"{complaint.msg} at character {complaint.pos + 1} of the line"
    return shorten(str(complaint))


def reason_and_path(error: msgspec.ValidationError) -> tuple[str, str]:
    """msgspec's `REASON - at `$.entities[0].role`` taken apart; the path is empty for the whole."""
    reason, _, where = str(error).partition(" - at `$")
    return reason, where.rstrip("`").lstrip(".")


def value_at(content: Any, path: str) -> Any:
    """The value at a path such as `entities[0].start` of decoded JSON."""
    for key, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        content = content[key] if key else content[int(index)]
    return content


def shown(value: Any) -> str:
    """A value as a file writes it; nesting may be too deep to be written again, so lists and objects are named."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return shorten(json.dumps(value, ensure_ascii=False))


def shorten(text: str, most: int = 60) -> str:
    """At most so many characters of a text."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
