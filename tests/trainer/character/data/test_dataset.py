"""Training files: sound ones become arrays, and every fault is named with line, field, value and advice."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data import dataset
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.data.line_parser import Cell, parse_line
from storyteller_trainer.character.data.manifest import Ceiling
from storyteller_trainer.character.data.survey import survey

Record = dict[str, Any]
Records = Callable[..., list[Record]]
Write = Callable[[Path, list[Record]], Path]


def feature(name: str) -> int:
    return FEATURES.float_names.index(name)


def label(name: str) -> int:
    return PREDICTIONS.float_names.index(name)


# --- sound files ------------------------------------------------------------------------------------------------------


def test_a_sound_file_becomes_arrays(tmp_path: Path, records: Records, write: Write) -> None:
    made = records(20, cells=4)
    data = load_dataset(write(tmp_path / "a.jsonl", made), cache_dir=None)
    assert data.features.shape == (20, 453)
    assert data.labels.shape == (20, 42)
    assert np.asarray(data.features).dtype == np.asarray(data.labels).dtype == np.float32
    np.testing.assert_array_equal(data.features, np.array([r["features"] for r in made], np.float32))
    np.testing.assert_array_equal(data.labels, np.array([r["labels"] for r in made], np.float32))
    assert [data.cell_names[cell].archetype_a for cell in data.cells] == [r["cell"]["archetype_a"] for r in made]
    assert data.cell_names == tuple(sorted(data.cell_names))
    assert data.content_hash == hashlib.sha256((tmp_path / "a.jsonl").read_bytes()).hexdigest()
    assert (data.duplicates, data.ceiling, data.notices) == (0, Ceiling(), ())


def test_more_lines_than_one_chunk(
    tmp_path: Path, records: Records, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "CHUNK", 7)
    made = records(20)
    data = load_dataset(write(tmp_path / "a.jsonl", made), cache_dir=None)
    np.testing.assert_array_equal(data.labels, np.array([r["labels"] for r in made], np.float32))


def test_the_cell_key_has_five_parts(tmp_path: Path, records: Records, write: Write) -> None:
    made = records(6, cells=1)
    cells: list[Record] = [
        {},
        {"archetype_b": "x"},
        {"dynamic": "x"},
        {"profile": "x"},
        {"a_is_role_a": False},
        {"genre": "x"},
    ]
    for record, change in zip(made, cells, strict=True):
        record["cell"] = {**made[0]["cell"], "a_is_role_a": True, **change}
    data = load_dataset(write(tmp_path / "a.jsonl", made), cache_dir=None)
    assert len(data.cell_names) == 5, "the genre is not part of it"
    assert data.cells[0] == data.cells[5]
    assert data.cell_names[data.cells[4]] == Cell("archetype_0", "other", "rivals", "feast", False)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "gzip_without_the_ending.jsonl"])
def test_gzip_is_told_by_content(tmp_path: Path, small_jsonl: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(small_jsonl.read_bytes()))
    packed, plain = load_dataset(path, cache_dir=None), load_dataset(small_jsonl, cache_dir=None)
    np.testing.assert_array_equal(packed.features, plain.features)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace(b"\n", b"\n\n \n"), id="blank lines"),
        pytest.param(lambda text: text.replace(b"\n", b"\r\n"), id="Windows line ends"),
        pytest.param(lambda text: text.removesuffix(b"\n"), id="no end of the last line"),
    ],
)
def test_harmless_differences_between_files(
    tmp_path: Path, small_jsonl: Path, change: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "a.jsonl").write_bytes(change(small_jsonl.read_bytes()))
    data = load_dataset(tmp_path / "a.jsonl", cache_dir=None)
    np.testing.assert_array_equal(data.features, load_dataset(small_jsonl, cache_dir=None).features)


def test_an_optional_key_may_be_absent_or_null(tmp_path: Path, records: Records, write: Write) -> None:
    first, second = records(2)
    for key in ("id", "variation", "coherence_score", "content_hash"):
        del first[key]
    second["coherence_score"] = second["content_hash"] = None
    assert len(load_dataset(write(tmp_path / "a.jsonl", [first, second]), cache_dir=None)) == 2


def test_duplicates_are_counted(tmp_path: Path, records: Records, write: Write) -> None:
    made = records(4)
    again = {**made[1], "id": "another", "cell": made[2]["cell"]}
    assert load_dataset(write(tmp_path / "a.jsonl", [*made, again, again]), cache_dir=None).duplicates == 2


def test_an_empty_slot_is_all_zero(tmp_path: Path, records: Records, write: Write) -> None:
    (record,) = records(1)
    del record["content_hash"]
    for region in FEATURES.regions:
        start = region.span.stop - region.per_slot
        record["features"][start : region.span.stop] = [0] * region.per_slot
    assert len(load_dataset(write(tmp_path / "a.jsonl", [record]), cache_dir=None)) == 1


def test_a_silent_example_may_have_no_register(tmp_path: Path, records: Records, write: Write) -> None:
    (record,) = records(1)
    del record["content_hash"]
    record["labels"][PREDICTIONS.span("speech.register")] = [0] * 4
    record["labels"][label("speech.occurs")] = 0
    assert len(load_dataset(write(tmp_path / "a.jsonl", [record]), cache_dir=None)) == 1


# --- faults of the whole file -----------------------------------------------------------------------------------------


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match=r"absent\.jsonl: no such file; `generate-training-data"):
        load_dataset(tmp_path / "absent.jsonl")


def test_a_path_that_leads_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(StorytellerError, match=r"data\.jsonl: cannot be read: Not a directory"):
        load_dataset(tmp_path / "a.jsonl" / "data.jsonl")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match="is a folder; name one JSONL file"):
        load_dataset(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(StorytellerError, match="the file is empty"):
        load_dataset(tmp_path / "a.jsonl")


def test_nothing_but_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n  \n")
    with pytest.raises(StorytellerError, match="blank lines only"):
        load_dataset(tmp_path / "a.jsonl", cache_dir=None)


@pytest.mark.parametrize("damage", [lambda data: data[:-200], lambda data: data[:400] + bytes(50) + data[450:]])
def test_damaged_gzip(tmp_path: Path, small_jsonl: Path, damage: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(damage(gzip.compress(small_jsonl.read_bytes())))
    with pytest.raises(StorytellerError, match=r"gzip data is damaged or cut off after line \d+|line \d+: not"):
        load_dataset(tmp_path / "a.jsonl.gz", cache_dir=None)


def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, records: Records, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.jsonl", records(3))

    def parse_and_append(line: bytes) -> Any:
        with path.open("ab") as file:
            file.write(b"\n")
        return parse_line(line)

    monkeypatch.setattr(dataset, "parse_line", parse_and_append)
    with pytest.raises(StorytellerError, match="changed while it was read"):
        load_dataset(path, cache_dir=None)


# --- faults of a line -------------------------------------------------------------------------------------------------


def put(key: str, index: int, value: Any) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record[key][index] = value

    return change


def set_key(key: str, value: Any) -> Callable[[Record], None]:
    return lambda record: record.__setitem__(key, value)


def set_cell(key: str, value: Any) -> Callable[[Record], None]:
    return lambda record: record["cell"].__setitem__(key, value)


VARIANCE = feature("tensor[3].variance")
FAULTS = [
    (put("features", VARIANCE, None), r"tensor\[3\].variance: wrong type: null; a number is expected"),
    (put("features", VARIANCE, "2"), r'tensor\[3\].variance: wrong type: "2"; a number'),
    (put("features", VARIANCE, True), r"tensor\[3\].variance: wrong type: true; a number"),
    (put("features", VARIANCE, [0.5]), r"tensor\[3\].variance: wrong type: a list; a number"),
    (put("features", VARIANCE, {"a": 1}), r"tensor\[3\].variance: wrong type: an object; a number"),
    (put("features", VARIANCE, float("nan")), r"tensor\[3\].variance: not a finite float32: NaN"),
    (put("features", VARIANCE, float("-inf")), r"tensor\[3\].variance: not a finite float32: -Infinity"),
    (put("features", VARIANCE, 1e39), r"tensor\[3\].variance: not a finite float32: 1e\+39; .* at most 3.40282e\+38"),
    (put("features", VARIANCE, 10**400), r"tensor\[3\].variance: not a finite float32: 1000000"),
    (put("labels", label("emotion.intensity_delta[Fear]"), None), r"emotion.intensity_delta\[Fear\]: wrong type: null"),
    (set_key("features", [0.0] * 452), "features: wrong length: 452 numbers; 453 are expected"),
    (set_key("labels", [0.0] * 43), "labels: wrong length: 43 numbers; 42 are expected"),
    (set_key("features", None), "features: wrong type: null; a list of 453 numbers"),
    (set_key("labels", {"a": 1}), "labels: wrong type: an object; a list of 42 numbers"),
    (lambda record: record.pop("features"), "features: missing key: there is none; a list of 453 numbers"),
    (lambda record: record.pop("labels"), "labels: missing key"),
    (lambda record: record.pop("cell"), "cell: missing key: there is none; an object with archetype_a"),
    (set_key("cell", "a"), 'cell: wrong type: "a"; an object'),
    (lambda record: record["cell"].pop("profile"), "cell.profile: missing key: there is none; a string is expected"),
    (set_cell("dynamic", 3), "cell.dynamic: wrong type: 3; a string"),
    (set_cell("a_is_role_a", 1), "cell.a_is_role_a: wrong type: 1; true or false"),
    (set_key("coherence_score", 1.5), "coherence_score: out of range: 1.5; a number from 0 to 1"),
    (set_key("coherence_score", "high"), 'coherence_score: wrong type: "high"; a number from 0 to 1'),
    (set_key("content_hash", 5), "content_hash: wrong type: 5; 64 hexadecimal digits"),
    (set_key("content_hash", "0" * 64), "content_hash: wrong content_hash: 0{64}; the features and labels hash to"),
]

#: Rules about numbers; the content hash is removed first, or it would be found wrong too.
NUMERIC_FAULTS = [
    (put("features", feature("tensor[3].provenance[Inferred]"), 0.5), r"tensor\[3\].provenance: not one-hot"),
    (put("features", feature("scene_context.scene_type[Gate]"), 2), "scene_context.scene_type: not one-hot"),
    (
        lambda record: record["features"].__setitem__(slice(9, 13), [0, 1, 1, 0]),
        r"tensor\[0\].provenance: not one-hot: \[.*\]; one 1 and otherwise 0 is expected, or a slot that is all zero",
    ),
    (
        lambda record: record["features"].__setitem__(slice(4, 8), [0, 0, 0, 0]),
        r"tensor\[0\].temporal_layer: not one-hot: \[0.0, 0.0, 0.0, 0.0\]",
    ),
    (put("labels", label("action.type[Speak]"), -1), "action.type: not one-hot"),
    (lambda record: record["labels"].__setitem__(slice(0, 6), [0] * 6), "action.type: not one-hot"),
    (
        lambda record: record["labels"].__setitem__(slice(14, 19), [1, 0, 0, 0, 0]),
        r"speech.register: not one-hot: \[0.0, 0.0, 0.0, 0.0\]; one 1 and otherwise 0 is expected$",
    ),
    (put("labels", label("speech.occurs"), 0.7), "speech.occurs: not 0 or 1: 0.7; 0 or 1 is expected"),
    (put("labels", label("emotion.awareness_shift[Joy]"), 2), r"emotion.awareness_shift\[Joy\]: not 0 or 1: 2"),
    (
        put("labels", label("thought.dominant_emotion_index"), 8),
        "thought.dominant_emotion_index: out of range: 8; a whole number from 0 to 7 is expected",
    ),
    (put("labels", label("thought.dominant_emotion_index"), 2.5), "dominant_emotion_index: out of range: 2.5"),
    (put("labels", label("thought.dominant_emotion_index"), -1), "dominant_emotion_index: out of range: -1"),
]


def without_hash(change: Callable[[Record], Any]) -> Callable[[Record], Any]:
    def changed(record: Record) -> None:
        del record["content_hash"]
        change(record)

    return changed


#: With a hash, it would be the hash that is wrong first.
BEYOND_FLOAT32 = (
    without_hash(put("labels", label("emotion.intensity_delta[Fear]"), -1e39)),
    r"emotion.intensity_delta\[Fear\]: not a finite float32: -1e\+39; .* at most 3.40282e\+38",
)


@pytest.mark.parametrize(
    ("change", "message"),
    [*FAULTS, BEYOND_FLOAT32, *((without_hash(change), message) for change, message in NUMERIC_FAULTS)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_is_named(
    tmp_path: Path, records: Records, write: Write, change: Callable[[Record], Any], message: str
) -> None:
    made = records(5)
    change(made[2])
    path = write(tmp_path / "a.jsonl", made)
    with pytest.raises(StorytellerError) as caught:
        load_dataset(path, cache_dir=None)
    text = str(caught.value).partition("; `train-character-model")[0]
    assert text.startswith(f"{path}: line 3: ")
    assert re.search(message, text), text
    found = survey([path])
    assert found.lines_with_problems == 1
    assert found.examples == 4
    assert any(re.search(message, problem) for problem in found.first_problems)


RAW_FAULTS = [
    (b"{not json}\n", "line 2: not JSON: Expecting property name"),
    (b"[1, 2]\n", "line 2: wrong type: a list; one JSON object a line"),
    (b"null\n", "line 2: wrong type: null; one JSON object a line"),
    (b'{"cell": "caf\xe9"}\n', "line 2: not UTF-8: byte 0xe9 at byte 13 of the line; save the file as UTF-8"),
    (b'{"id": "1"} {"id": "2"}\n', "line 2: not JSON: Extra data"),
    (b"[" * 100_000 + b"\n", "line 2: not JSON: maximum recursion depth"),
]


@pytest.mark.parametrize(("line", "message"), RAW_FAULTS, ids=[message for _, message in RAW_FAULTS])
def test_a_line_that_is_no_record(tmp_path: Path, small_jsonl: Path, line: bytes, message: str) -> None:
    lines = small_jsonl.read_bytes().splitlines(keepends=True)
    (tmp_path / "a.jsonl").write_bytes(lines[0] + line + lines[1])
    with pytest.raises(StorytellerError, match=re.escape(message)):
        load_dataset(tmp_path / "a.jsonl", cache_dir=None)


def test_a_truncated_last_line(tmp_path: Path, small_jsonl: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(small_jsonl.read_bytes()[:-1000])
    with pytest.raises(
        StorytellerError, match=r"line 240: cut off: .*the last line is incomplete: copy the file again"
    ):
        load_dataset(tmp_path / "a.jsonl", cache_dir=None)


def test_line_numbers_count_blank_lines(tmp_path: Path, small_jsonl: Path) -> None:
    first = small_jsonl.read_bytes().splitlines(keepends=True)[0]
    (tmp_path / "a.jsonl").write_bytes(first + b"\n\n" + b"oops\n")
    with pytest.raises(StorytellerError, match="line 4: not JSON"):
        load_dataset(tmp_path / "a.jsonl", cache_dir=None)


def test_a_constant_that_json_does_not_know(tmp_path: Path, small_jsonl: Path) -> None:
    text = small_jsonl.read_text()
    (tmp_path / "a.jsonl").write_text(text.replace('"features": [', '"features": [Infinity, ', 1))
    with pytest.raises(StorytellerError, match="line 1: features: wrong length: 454"):
        load_dataset(tmp_path / "a.jsonl", cache_dir=None)


def test_a_float_changed_by_hand_is_named_before_the_hash(tmp_path: Path, records: Records, write: Write) -> None:
    made = records(2)
    made[1]["labels"][label("speech.occurs")] = 0.7
    found = survey([write(tmp_path / "a.jsonl", made)])
    assert [problem.split(": ")[2] for problem in found.first_problems] == ["speech.occurs", "content_hash"]


def test_the_first_faulty_line_is_the_one_told(tmp_path: Path, records: Records, write: Write) -> None:
    made = records(6)
    made[4]["features"][0] = None  # found while parsing
    made[1]["labels"][0] = made[1]["labels"][0] + 1  # found later, by rule
    del made[1]["content_hash"]
    with pytest.raises(StorytellerError, match=r"line 2: action\.type"):
        load_dataset(write(tmp_path / "a.jsonl", made), cache_dir=None)
