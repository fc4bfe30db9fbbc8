"""What is accepted as an event data file, and how everything else is told."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.spans import TextOffsets
from storyteller_trainer.events.data.dataset import inspect, load_event_files, load_events
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.line_parser import EventLine, parse_line
from storyteller_trainer.reading.problems import ProblemKind

Write = Callable[..., Path]
Json = dict[str, Any]


def in_characters(record: Json) -> Json:
    """The same record, its offsets counted in characters."""
    offsets = TextOffsets(record["text"])
    for entity in record["entities"]:
        entity["start"], entity["end"] = offsets.to_character(entity["start"]), offsets.to_character(entity["end"])
    return record


def test_loads_generated_data_as_it_was_written(data_file: Path, examples: list[EventExample]) -> None:
    dataset = load_events(data_file)
    assert dataset.examples == examples
    assert len(dataset.content_hash) == 64


def test_byte_and_character_offsets_may_be_mixed_in_one_file(write_lines: Write, record: Json) -> None:
    path = write_lines(record, in_characters(json.loads(json.dumps(record))))
    found = inspect(path)
    assert not found.problems.first
    assert dict(found.readings) == {"bytes": 1, "characters": 1}
    first, second = found.examples
    assert first.entities == second.entities
    assert [entity.start for entity in second.entities] == [0, 15, 24]


@given(
    text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(lambda text: bool(text.strip())),
    data=st.data(),
)
def test_either_reading_of_any_text_gives_the_same_spans(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    entity = {"start": start, "end": end, "text": text[start:end], "category": "OBJECT", "role": "Target"}
    line = {"id": "1", "text": text, "register": "player", "event_kinds": ["SpeechAct"], "entities": [entity]}
    by_characters = parse_line(json.dumps(line).encode(), 1)
    to_byte = TextOffsets(text).to_byte
    entity["start"], entity["end"] = to_byte(start), to_byte(end)
    by_bytes = parse_line(json.dumps(line).encode(), 1)
    assert isinstance(by_bytes, EventLine)
    assert isinstance(by_characters, EventLine)
    assert "bytes" in by_bytes.readings
    assert "characters" in by_characters.readings
    for parsed, reading in ((by_bytes, "bytes"), (by_characters, "characters")):
        example = parsed.in_bytes(next(r for r in parsed.readings if r == reading))
        assert (example.entities[0].start, example.entities[0].end) == (to_byte(start), to_byte(end))


def test_where_both_readings_hold_the_rest_of_the_file_decides(write_lines: Write, record: Json) -> None:
    # "é" is 2 bytes: byte 2 and character 2 are both an "a", and not the same one.
    entity = {"start": 2, "end": 3, "text": "a", "category": "OBJECT", "role": "Target"}
    ambiguous = record | {"text": "éaa", "entities": [entity]}
    assert inspect(write_lines(ambiguous)).examples[0].entities[0].start == 2
    assert inspect(write_lines(ambiguous, in_characters(record))).examples[0].entities[0].start == 3


def test_entities_come_back_in_the_order_of_the_text(write_lines: Write, record: Json) -> None:
    record["entities"].reverse()
    starts = [entity.start for entity in inspect(write_lines(record)).examples[0].entities]
    assert starts == [0, 15, 24]


def test_gzip_byte_order_mark_and_blank_lines_are_read(tmp_path: Path, record: Json) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(record).encode() + b"\n\n"))
    assert len(load_events(path).examples) == 1


def test_repeated_ids_and_texts_are_noticed(write_lines: Write, record: Json) -> None:
    other = {"text": "Zoë gives the crown to Mara!"}
    decomposed = {"text": "Zoe\u0308 gives the crown to Mara! ", "entities": []}
    path = write_lines(record, record | other, record, record | decomposed)
    notices = load_events(path).notices
    assert notices == [
        f"{path}: 3 examples have the id of an earlier one",
        f"{path}: 2 examples have the text of an earlier one",
    ]


def test_a_missing_and_an_empty_file_say_so(tmp_path: Path, write_lines: Write) -> None:
    with pytest.raises(StorytellerError, match=r"no\.jsonl: no such file; `generate-event-data"):
        load_events(tmp_path / "no.jsonl")
    with pytest.raises(StorytellerError, match="the file is empty"):
        load_events(write_lines(b"", ending=b""))


def changed(record: Json, path: str, value: Any) -> Json:
    """The record with one value replaced, or removed where the value is None."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target: Any = record
    for part in parents:
        target = target[part]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return record


@pytest.mark.parametrize(
    ("path", "value", "kind", "told"),
    [
        ("text", None, ProblemKind.KEY, "line 1: text: missing key"),
        ("entities.0.role", None, ProblemKind.KEY, "line 1: entities[0].role: missing key"),
        ("text", 7, ProblemKind.TYPE, "line 1: text: wrong type: 7; expected str"),
        ("entities.1.start", "15", ProblemKind.TYPE, 'line 1: entities[1].start: wrong type: "15"; expected int'),
        (
            "event_kinds.0",
            "Explosion",
            ProblemKind.VALUE,
            "event_kinds[0]: unknown value: 'Explosion'; one of State",
        ),
        (
            "entities.2.category",
            "PERSON",
            ProblemKind.VALUE,
            "entities[2].category: unknown value: 'PERSON'; one of CH",
        ),
        ("entities.2.role", "Hero", ProblemKind.VALUE, "entities[2].role: unknown value: 'Hero'; one of Actor, Target"),
        ("register", "chorus", ProblemKind.VALUE, "register: unknown value: 'chorus'; one of player, narrator"),
        ("action_type", "Dance", ProblemKind.VALUE, "action_type: unknown value: 'Dance'; one of Perform, Speak"),
        ("text", " ", ProblemKind.EMPTY, "line 1: text: empty: ' '"),
        ("event_kinds", [], ProblemKind.EMPTY, "line 1: event_kinds: empty: []; one or more of StateAssertion"),
        (
            "entities.1.end",
            21,
            ProblemKind.OFFSETS,
            "entities[1]: offsets do not give the text: 15-21 gives as bytes 'crown ' and as characters 'rown t'; "
            "the entity's own text is 'crown'",
        ),
        (
            "entities.2.end",
            99,
            ProblemKind.OFFSETS,
            "24-99 gives as bytes outside the text and as characters outside the text; the entity's own text is 'Mara'",
        ),
        (
            "entities.0",
            {"start": 0, "end": 3, "text": "Zo\ufffd", "category": "CHARACTER", "role": "Actor"},
            ProblemKind.OFFSETS,
            "0-3 gives as bytes 'Zo\ufffd', which cuts a character and as characters 'Zoë'; "
            "the entity's own text is 'Zo\ufffd'",
        ),
        ("entities.2.category", "P" * 100_000, ProblemKind.VALUE, "unknown value: 'PPPPP"),
        ("entities.1.text", "c" * 100_000, ProblemKind.OFFSETS, "the entity's own text is 'ccccc"),
        ("entities.0.end", 0, ProblemKind.OFFSETS, "line 1: entities[0]: offsets do not give the text: 0-0"),
        ("entities.0.start", -1, ProblemKind.OFFSETS, "line 1: entities[0]: offsets do not give the text: -1-4"),
        (
            "entities.1.start",
            3,
            ProblemKind.OVERLAP,
            "'crown' 3-20 and entities[0] 'Zoë' 0-4; each stretch of",
        ),
    ],
)
def test_every_fault_of_a_record_is_told(
    write_lines: Write, record: Json, path: str, value: Any, kind: ProblemKind, told: str
) -> None:
    file = write_lines(changed(record, path, value))
    assert dict(inspect(file).problems.counts) == {kind: 1}
    with pytest.raises(StorytellerError) as caught:
        load_events(file)
    assert str(file) in str(caught.value)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 700


def test_entities_that_need_different_readings_are_told(write_lines: Write, record: Json) -> None:
    record["entities"][1] |= {"start": 14, "end": 19}
    found = inspect(write_lines(record))
    assert found.problems.counts[ProblemKind.OFFSETS] == 3
    assert "no one reading fits all entities of this record" in str(found.problems.first[0])


@pytest.mark.parametrize(
    ("line", "ending", "kind"),
    [
        (b'{"id": "1", "text": "a', b"", ProblemKind.TRUNCATED),
        (b'{"id": "1", "text": "a', b"\n", ProblemKind.JSON),
        (b"[1]", b"\n", ProblemKind.TYPE),
        (b'{"id": "\xff"}', b"\n", ProblemKind.ENCODING),
        (b'{"id": "\\ud800"}', b"\n", ProblemKind.JSON),
        (b"[" * 100_000, b"\n", ProblemKind.TYPE),
        (b'{"id": ' + b"[" * 100_000, b"\n", ProblemKind.TYPE),
        (b'{"text": "", "id": 3, oh', b"\n", ProblemKind.TYPE),
    ],
)
def test_lines_that_are_no_records_are_told(
    write_lines: Write, record: Json, line: bytes, ending: bytes, kind: ProblemKind
) -> None:
    found = inspect(write_lines(record, line, ending=ending))
    assert dict(found.problems.counts) == {kind: 1}
    assert found.problems.first[0].line == 2
    assert len(found.examples) == 1


@pytest.mark.parametrize("entity", ["Zo\ufffd", "\ufffd", "\ufffdë", "oë"])
@pytest.mark.parametrize("text", ["Zoë waits.", "Zo\ufffd waits.", "Zo\ufffd\ufffd waits.", "🙂ë waits."])
def test_no_record_is_accepted_whose_entity_is_not_where_it_says(write_lines: Write, text: str, entity: str) -> None:
    """By a slow reading: bytes and characters are tried apart, and none that cuts a character."""
    source = text.encode()
    for start in range(6):
        for end in range(start + 1, 9):
            named = {"start": start, "end": end, "text": entity, "category": "OBJECT", "role": "Actor"}
            line = {"id": "1", "text": text, "register": "player", "event_kinds": ["SpeechAct"], "entities": [named]}
            right = source[start:end] == entity.encode() or text[start:end] == entity
            found = inspect(write_lines(line))
            assert (len(found.examples) == 1) is right, (start, end)
            for one in (entity for example in found.examples for entity in example.entities):
                assert source[one.start : one.end].decode() == entity


def test_all_problems_are_counted_and_twenty_kept(write_lines: Write, record: Json) -> None:
    found = inspect(write_lines(*[record | {"text": ""} for _ in range(25)]))
    assert found.problems.counts[ProblemKind.EMPTY] == 25
    assert len(found.problems.first) == 20
    with pytest.raises(StorytellerError, match=r"\(24 more; `train-event-classifier .* --validate-only` lists them\)"):
        load_events(found.path)


def test_several_files_are_one_data_set(tmp_path: Path, record: Json) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text(json.dumps(record) + "\n")
    second.write_text(json.dumps(record | {"id": "2", "text": "Zoë gives the crown to Mara!"}) + "\n")
    found = load_event_files([first, second])
    assert [example.id for example in found.examples] == ["1", "2"]
    assert found.name == f"{first}, {second}"
    assert found.file_hashes == (load_events(first).content_hash, load_events(second).content_hash)
    assert found.content_hash not in found.file_hashes
    assert load_event_files([second, first]).content_hash != found.content_hash
    assert load_event_files([first]) == load_events(first)


def test_files_that_disagree_about_determiners_are_refused(tmp_path: Path, record: Json) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text(json.dumps(record) + "\n")
    record["entities"][1] |= {"start": 11, "text": "the crown"}
    second.write_text(json.dumps(record) + "\n")
    with pytest.raises(StorytellerError) as caught:
        load_event_files([first, second])
    assert "disagree about what an entity span holds" in str(caught.value)
    assert f"{first}: determiners outside, 0.0% of 3 spans" in str(caught.value)
    assert f"{second}: determiners inside, 33.3% of 3 spans" in str(caught.value)
