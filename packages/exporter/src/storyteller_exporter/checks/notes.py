"""What a file notes about itself has the form that it should have, so that whoever reads it can."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from storyteller_schema.common.errors import first_line

from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.onnx import metadata_props

#: Key to what raises an exception for a value that the key cannot have.
Notes: TypeAlias = Mapping[str, Callable[[str], object]]


def whole(text: str) -> int:
    """
    Raises:
        ValueError: not a number of things.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError("expected a whole number")
    return int(text)


def number(text: str) -> float:
    """
    Raises:
        ValueError: not a finite number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("expected a number")
    return value


def json_object(text: str) -> dict[str, object]:
    """
    Raises:
        ValueError: not JSON, or no object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON: {first_line(error)}") from None
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def scores(text: str) -> dict[str, float]:
    """
    Raises:
        ValueError: not JSON, or not from names to numbers.
    """
    found = json_object(text)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in found.values()):
        raise ValueError("expected names and numbers")
    return {name: float(str(value)) for name, value in found.items()}


def one_of(*values: str) -> Callable[[str], str]:
    """A note that has one of these values."""

    def check(text: str) -> str:
        if text not in values:
            raise ValueError(f"expected {' or '.join(values)}")
        return text

    return check


#: Those that every file carries.
COMMON: Notes = {
    metadata_props.VERSION: whole,
    metadata_props.PARAMETERS: whole,
    metadata_props.PRECISION: one_of(metadata_props.FLOAT32, metadata_props.INT8),
    metadata_props.VERSIONS: json_object,
    metadata_props.DECODING: json_object,
}


def check_notes(report: Verification, notes: Notes) -> None:
    """Adds one check for all of a file's notes; a file that was made elsewhere has none, and that is no fault."""
    problems, known = [], 0
    for key, read in {**COMMON, **notes}.items():
        text = report.metadata.get(key)
        if text is None:
            continue
        known += 1
        try:
            read(text)
        except ValueError as error:
            problems.append(f"{key}: {text[:40]!r}: {error}")
    if known:
        report.judge("notes", problems, f"{known}, all readable")
    else:
        report.add("notes", Status.SKIPPED, "none: made elsewhere")
