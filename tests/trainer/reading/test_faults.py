"""One explanation for every reader: what is no JSON, where a value stands, how much of it is shown."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from character_data import make_records
from storyteller_trainer.character.data import line_parser as character
from storyteller_trainer.character.data.line_parser import diagnose_line
from storyteller_trainer.events.data.line_parser import parse_line
from storyteller_trainer.reading.faults import DECODE_ERRORS, reason_and_path, shorten, shown, text_fault, value_at
from storyteller_trainer.reading.problems import ProblemKind

EVENT = {"id": "1", "text": "It rains.", "register": "narrator", "event_kinds": ["StateAssertion"], "entities": []}


@pytest.mark.parametrize("extra", [b'"note": "\xff"', b'"\xc0\x80": 1'])
def test_what_is_not_utf8_is_refused_in_keys_that_nobody_reads_too(extra: bytes) -> None:
    (record,) = make_records(1)
    line = json.dumps(record).encode()[:-1] + b", " + extra + b"}\n"
    assert character.parse_line(line) is None
    of_event = parse_line(json.dumps(EVENT).encode()[:-1] + b", " + extra + b"}\n", 1)
    assert isinstance(of_event, list)
    for problems in (list(diagnose_line(line, 1)), of_event):
        assert [problem.kind for problem in problems] == [ProblemKind.ENCODING]


class Inner(msgspec.Struct):
    start: int


class Outer(msgspec.Struct):
    entities: list[Inner]


BROKEN = [
    (b'{"text": "\xff"}\n', ProblemKind.ENCODING, "byte 0xff at byte 10 of the line", "save the file as UTF-8"),
    (b'{"text": "a",}\n', ProblemKind.JSON, "", "one JSON object a line is expected"),
    (b'{"text": "I wa', ProblemKind.TRUNCATED, "", "the last line is incomplete: copy the file again"),
]


@pytest.mark.parametrize(("line", "kind", "found", "expected"), BROKEN)
def test_both_readers_say_the_same_of_a_line_that_is_no_json(
    line: bytes, kind: ProblemKind, found: str, expected: str
) -> None:
    of_character, of_event = list(diagnose_line(line, 7)), parse_line(line, 7)
    assert isinstance(of_event, list)
    for problems in (of_character, of_event):
        (problem,) = problems
        assert (problem.line, problem.kind, problem.field, problem.expected) == (7, kind, "", expected)
        assert found in problem.found


NO_JSON = [b'{"a": 1,}\n', b'{"a" 1}\n', b"{\n", b'{"a": 1} 2\n', b'{"a": "b\n', b"nul\n", b"{'a': 1}\n", b'{"a": tru']


@pytest.mark.parametrize("line", NO_JSON)
def test_no_line_but_that_of_the_file_is_named(line: bytes) -> None:
    of_character, of_event = list(diagnose_line(line, 7)), parse_line(line, 7)
    assert isinstance(of_event, list)
    for (problem,) in (of_character, of_event):
        assert re.findall(r"line \d+", str(problem)) == ["line 7"]
        assert "column" not in str(problem)


def test_nesting_too_deep_to_be_read_is_a_fault_of_the_text() -> None:
    deep = b"[" * 100_000
    with pytest.raises(DECODE_ERRORS) as caught:
        json.loads(deep)
    assert text_fault(deep, caught.value).kind is ProblemKind.TRUNCATED


def test_the_path_of_a_wrong_value() -> None:
    content = {"entities": [{"start": 1}, {"start": "x"}]}
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(content, Outer)
    assert reason_and_path(caught.value) == ("Expected `int`, got `str`", "entities[1].start")
    assert value_at(content, "entities[1].start") == "x"
    assert value_at(content, "") == content
    assert reason_and_path(msgspec.ValidationError("Expected `object`, got `int`")) == (
        "Expected `object`, got `int`",
        "",
    )


def test_values_are_shown_as_the_file_writes_them_and_not_all_of_them() -> None:
    values: list[Any] = [True, None, "é", [1], {}]
    assert [shown(value) for value in values] == ["true", "null", '"é"', "a list", "an object"]
    assert shorten("x" * 60) == "x" * 60
    assert shorten("x" * 61) == "x" * 57 + "..."
    assert len(shorten("x" * 100, 80)) == 80
