"""One line of a training file: the fast strict way in, and the slow way that says what is wrong with a line."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Layout
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.violations import violations
from storyteller_trainer.reading.faults import DECODE_ERRORS, Fault, check_encoding, shorten, shown, text_fault
from storyteller_trainer.reading.problems import Problem, ProblemKind

#: The largest finite float32.
FLOAT32_MAX = float.fromhex("0x1.fffffep127")

# "@" is the machine's own byte order: little-endian, as the content hash wants it, wherever PyTorch is at home. With
# "<", which would make sure of that, Python packs more slowly.
_pack_features = struct.Struct(f"@{FEATURES.size}f").pack
_pack_labels = struct.Struct(f"@{PREDICTIONS.size}f").pack


class Cell(msgspec.Struct, frozen=True, order=True, gc=False):
    """The cell of the generator's matrix that an example was drawn from."""

    archetype_a: str
    archetype_b: str
    dynamic: str
    profile: str
    a_is_role_a: bool


_Inputs = Annotated[tuple[float, ...], msgspec.Meta(min_length=FEATURES.size, max_length=FEATURES.size)]
_Outputs = Annotated[tuple[float, ...], msgspec.Meta(min_length=PREDICTIONS.size, max_length=PREDICTIONS.size)]


class _Record(msgspec.Struct, gc=False):
    cell: Cell
    features: _Inputs
    labels: _Outputs
    coherence_score: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    content_hash: str | None = None


_decode = msgspec.json.Decoder(_Record, strict=True).decode


class Example(NamedTuple):
    """What is kept of a sound line."""

    cell: Cell
    #: Little-endian float32; infinite, like the labels, where the line's number is beyond float32.
    features: bytes
    #: Little-endian float32.
    labels: bytes
    #: SHA-256 of the features and labels.
    digest: bytes


def parse_line(line: bytes) -> Example | None:
    """The example in a line, or None when anything but the range of float32 or a rule (see `rules`) is broken."""
    try:
        check_encoding(line)
        record = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    features, labels = _pack_features(*record.features), _pack_labels(*record.labels)
    digest = hashlib.sha256(features + labels)
    if record.content_hash is not None and record.content_hash != digest.hexdigest():
        return None
    return Example(record.cell, features, labels, digest.digest())


def diagnose_line(line: bytes, number: int) -> Iterator[Problem]:
    """Everything that is wrong with a line that `parse_line` refused."""
    yield from (fault.at_line(number) for fault in _faults(line))


def _faults(line: bytes) -> Iterator[Fault]:
    try:
        record = json.loads(line.decode())
    except DECODE_ERRORS as error:
        yield text_fault(line, error)
        return
    if not isinstance(record, dict):
        yield Fault(ProblemKind.TYPE, "", shown(record), "one JSON object a line is expected")
        return
    found = [*_cell_faults(record), *_vector_faults(record), *_optional_faults(record)]
    yield from found or [Fault(ProblemKind.JSON, "", _strict_complaint(line), "plain JSON is expected")]


def _cell_faults(record: dict[str, Any]) -> Iterator[Fault]:
    if "cell" not in record:
        expected = f"an object with {', '.join(Cell.__struct_fields__)} is expected"
        yield Fault(ProblemKind.KEY, "cell", "there is none", expected)
        return
    cell = record["cell"]
    if not isinstance(cell, dict):
        yield Fault(ProblemKind.TYPE, "cell", shown(cell), "an object is expected")
        return
    for name in Cell.__struct_fields__:
        wanted, word = (bool, "true or false") if name == "a_is_role_a" else (str, "a string")
        if name not in cell:
            yield Fault(ProblemKind.KEY, f"cell.{name}", "there is none", f"{word} is expected")
        elif not isinstance(cell[name], wanted):
            yield Fault(ProblemKind.TYPE, f"cell.{name}", shown(cell[name]), f"{word} is expected")


def _vector_faults(record: dict[str, Any]) -> Iterator[Fault]:
    sound = True
    for key, layout in (("features", FEATURES), ("labels", PREDICTIONS)):
        for fault in _faults_of_vector(record, key, layout):
            sound = False
            yield fault
    if not sound:
        return
    packed = _pack_features(*record["features"]) + _pack_labels(*record["labels"])
    values = np.frombuffer(packed, "<f4").reshape(1, -1)
    for broken in violations(values[:, : FEATURES.size], values[:, FEATURES.size :]):
        yield Fault(broken.kind, broken.field, broken.found, broken.expected)
    stated, digest = record.get("content_hash"), hashlib.sha256(packed).hexdigest()
    if isinstance(stated, str) and stated != digest:
        expected = f"the features and labels hash to {digest}: the line was changed after it was made"
        yield Fault(ProblemKind.HASH, "content_hash", stated, expected)


def _faults_of_vector(record: dict[str, Any], key: str, layout: Layout) -> Iterator[Fault]:
    if key not in record:
        yield Fault(ProblemKind.KEY, key, "there is none", f"a list of {layout.size} numbers is expected")
        return
    values = record[key]
    if not isinstance(values, list):
        yield Fault(ProblemKind.TYPE, key, shown(values), f"a list of {layout.size} numbers is expected")
        return
    if len(values) != layout.size:
        yield Fault(ProblemKind.LENGTH, key, f"{len(values)} numbers", f"{layout.size} are expected")
    for name, value in zip(layout.float_names, values, strict=False):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield Fault(ProblemKind.TYPE, name, shown(value), "a number is expected")
        elif not _is_float32(value):
            yield Fault(ProblemKind.NUMBER, name, shown(value), f"a number of at most {FLOAT32_MAX:g} is expected")


def _is_float32(value: float) -> bool:
    """Whether it is finite, and stays so as a float32."""
    try:
        struct.pack("<f", number := float(value))
    except OverflowError:
        return False
    return math.isfinite(number)


def _optional_faults(record: dict[str, Any]) -> Iterator[Fault]:
    score = record.get("coherence_score")
    if score is not None:
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            yield Fault(ProblemKind.TYPE, "coherence_score", shown(score), "a number from 0 to 1 is expected")
        elif not 0 <= score <= 1:
            yield Fault(ProblemKind.RANGE, "coherence_score", shown(score), "a number from 0 to 1 is expected")
    stated = record.get("content_hash")
    if stated is not None and not isinstance(stated, str):
        yield Fault(ProblemKind.TYPE, "content_hash", shown(stated), "64 hexadecimal digits are expected")


def _strict_complaint(line: bytes) -> str:
    try:
        _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return shorten(str(error))
    return "unreadable"
