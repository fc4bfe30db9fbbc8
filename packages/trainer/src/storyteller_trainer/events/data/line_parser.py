"""One line of an event data file: what it says, or everything that is wrong with it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import msgspec
from storyteller_schema.contract.enums import ActionType, WireEnum
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register
from storyteller_schema.contract.spans import TextOffsets

from storyteller_trainer.events.data.example import Entity, EventExample
from storyteller_trainer.reading.faults import (
    DECODE_ERRORS,
    Fault,
    check_encoding,
    reason_and_path,
    shorten,
    text_fault,
    value_at,
)
from storyteller_trainer.reading.problems import Problem, ProblemKind

_decode = msgspec.json.Decoder(EventExample).decode

#: The keys whose values are enum variants, for the list of what is allowed.
_ENUMS: dict[str, type[WireEnum]] = {
    "register": Register,
    "event_kinds": EventKind,
    "action_type": ActionType,
    "category": EntityCategory,
    "alternatives": EntityCategory,
    "categories": EntityCategory,
    "role": EntityRole,
}


class OffsetUnit(StrEnum):
    """What the offsets of a record count."""

    BYTES = "bytes"
    CHARACTERS = "characters"


@dataclass(frozen=True)
class EventLine:
    """A sound line, its offsets not yet converted."""

    line: int
    example: EventExample
    #: The readings under which every entity's offsets give its text: one of them, or both. Both nearly always name the
    #: same places then; `aé aa` is an exception, which has an `a` at byte 4 and another at character 4.
    readings: frozenset[OffsetUnit]

    def in_bytes(self, reading: OffsetUnit) -> EventExample:
        """The example with its offsets in bytes and its entities in the order of the text."""
        entities = sorted(self.example.entities, key=lambda entity: entity.start)
        if reading is OffsetUnit.CHARACTERS and not self.example.text.isascii():
            to_byte = TextOffsets(self.example.text).to_byte
            entities = [
                msgspec.structs.replace(entity, start=to_byte(entity.start), end=to_byte(entity.end))
                for entity in entities
            ]
        return msgspec.structs.replace(self.example, entities=entities)


def parse_line(line: bytes, number: int) -> EventLine | list[Problem]:
    """What a line says, or what is wrong with it."""
    try:
        check_encoding(line)
        example = _decode(line)
    except DECODE_ERRORS as error:
        return [_decode_fault(line, error).at_line(number)]
    source = example.text.encode()
    readings = frozenset(
        reading
        for reading in OffsetUnit
        if all(_slice(entity, example.text, source, reading) == entity.text for entity in example.entities)
    )
    problems = list(_content_problems(example, number))
    if not readings and not problems:
        problems = list(_offset_problems(example, number))
    return problems or EventLine(number, example, readings)


def _slice(entity: Entity, text: str, source: bytes, reading: OffsetUnit) -> str | None:
    """The stretch that the offsets name; None where they lie outside the text, or inside a character."""
    size = len(source) if reading is OffsetUnit.BYTES else len(text)
    if not 0 <= entity.start < entity.end <= size:
        return None
    if reading is OffsetUnit.CHARACTERS:
        return text[entity.start : entity.end]
    try:
        return source[entity.start : entity.end].decode()
    except UnicodeDecodeError:
        return None


def _content_problems(example: EventExample, number: int) -> Iterator[Problem]:
    """Whatever is wrong with the values, offsets aside."""
    if not example.text.strip():
        yield Problem(
            line=number,
            kind=ProblemKind.EMPTY,
            field="text",
            found=repr(example.text),
            expected="a sentence is expected",
        )
    if not example.kinds_annotated and example.event_kinds:
        yield Problem(
            line=number,
            kind=ProblemKind.VALUE,
            field="kinds_annotated",
            found="false, and there are event_kinds",
            expected="one of both has to go",
        )
    if not (math.isfinite(example.weight) and example.weight > 0):
        yield Problem(
            line=number,
            kind=ProblemKind.RANGE,
            field="weight",
            found=str(example.weight),
            expected="a finite number above 0 is expected",
        )
    if example.kinds_annotated and not example.event_kinds:
        expected = f"one or more of {', '.join(EventKind)} are expected"
        yield Problem(line=number, kind=ProblemKind.EMPTY, field="event_kinds", found="[]", expected=expected)
    order = sorted(range(len(example.entities)), key=lambda index: example.entities[index].start)
    for first, second in pairwise(order):
        before, after = example.entities[first], example.entities[second]
        if after.start < before.end:
            yield Problem(
                line=number,
                kind=ProblemKind.OVERLAP,
                field=f"entities[{second}]",
                found=f"{shorten(repr(after.text))} {after.start}-{after.end} and entities[{first}] "
                f"{shorten(repr(before.text))} {before.start}-{before.end}",
                expected="each stretch of the text may belong to one entity only",
            )


def _offset_problems(example: EventExample, number: int) -> Iterator[Problem]:
    """The entities whose text neither reading gives; if each has one, the record mixes the two."""
    source = example.text.encode()
    slices = [{r: _slice(entity, example.text, source, r) for r in OffsetUnit} for entity in example.entities]
    wrong = [index for index, entity in enumerate(example.entities) if entity.text not in slices[index].values()]
    for index in wrong or range(len(slices)):
        entity = example.entities[index]
        readings = " and ".join(
            f"as {reading} {_no_stretch(entity, source, reading) if found is None else shorten(repr(found))}"
            for reading, found in slices[index].items()
        )
        yield Problem(
            line=number,
            kind=ProblemKind.OFFSETS,
            field=f"entities[{index}]",
            found=f"{entity.start}-{entity.end} gives {readings}",
            expected=f"the entity's own text is {shorten(repr(entity.text))}"
            + ("" if wrong else "; no one reading fits all entities of this record"),
        )


def _no_stretch(entity: Entity, source: bytes, reading: OffsetUnit) -> str:
    """Why the offsets name no stretch of the text."""
    if reading is OffsetUnit.CHARACTERS or not 0 <= entity.start < entity.end <= len(source):
        return "outside the text"
    found = source[entity.start : entity.end]
    return f"{shorten(repr(found.decode(errors='replace')))}, which cuts a character"


def _decode_fault(line: bytes, error: Exception) -> Fault:
    """Why a line could not be decoded. msgspec stops at the first fault, so there is one."""
    if not isinstance(error, msgspec.ValidationError):
        return text_fault(line, error)
    what, path = reason_and_path(error)
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", what):
        field = f"{path}.{missing[1]}" if path else missing[1]
        return Fault(ProblemKind.KEY, field, "there is none", "every record needs this key")
    key = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
    if what.startswith("Invalid enum value") and key in _ENUMS:
        expected = f"one of {', '.join(_ENUMS[key].labels())} is expected"
        return Fault(ProblemKind.VALUE, path, shorten(what.removeprefix("Invalid enum value ")), expected)
    expected, _, found = what.partition(", got ")
    expected = f"{expected[0].lower()}{expected[1:]}".replace("`", "")
    return Fault(ProblemKind.TYPE, path, _value_at(line, path) or found.strip("`"), expected)


def _value_at(line: bytes, path: str) -> str:
    """The value at a path, as JSON, shortened; empty when the line goes on as no JSON."""
    try:
        return shorten(json.dumps(value_at(json.loads(line), path), ensure_ascii=False))
    except DECODE_ERRORS:
        return ""
