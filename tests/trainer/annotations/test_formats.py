"""Each format, by files made by hand: what is read, what is dropped and why, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EventKind
from storyteller_trainer.annotations.category_map import CategoryMap, own_names, read_map
from storyteller_trainer.annotations.document import Unit
from storyteller_trainer.annotations.importing import WRITERS, Format, Importer, Pieces, format_of
from storyteller_trainer.events.data.convention import SpanConvention
from storyteller_trainer.events.data.example import EventExample

#: A letter of two bytes, and one of four bytes and two UTF-16 units.
TEXT = "Zoë saw 🎭 at the old mill."
CATEGORIES = {"PER": ("CHARACTER", "COLLECTIVE"), "LOC": ("LOCATION",), "DATE": ()}


def meaning(kinds: dict[str, str] | None = None) -> CategoryMap:
    return CategoryMap(
        categories={label: tuple(map(EntityCategory, names)) for label, names in CATEGORIES.items()},
        kinds={label: EventKind(kind) for label, kind in (kinds or {}).items()},
        annotated=[EntityCategory.CHARACTER, EntityCategory.LOCATION, EntityCategory.COLLECTIVE],
        kinds_annotated=None,
    )


def spans(example: EventExample) -> list[str]:
    source = example.text.encode()
    for entity in example.entities:
        assert source[entity.start : entity.end].decode() == entity.text
    return [f"{entity.text}|{entity.category}" for entity in example.entities]


def taken(path: Path, format_: Format, **options: object) -> Importer:
    importer = Importer(options.pop("meaning", meaning()), **options)  # type: ignore[arg-type]
    importer.add(path, format_)
    return importer


def doccano(path: Path, *records: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


# ---- brat


def brat(folder: Path, text: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_bytes(text.encode())
    (folder / "a.ann").write_bytes("".join(f"{line}\n" for line in lines).encode())
    return folder


def test_brat_lines_become_records(tmp_path: Path) -> None:
    text = f"{TEXT}\r\n\r\nThe mill was old.\n"
    folder = brat(tmp_path / "b", text, "T1\tPER 0 3\tZoë", "T2\tLOC 13 25\tthe old mill", "T3\tLOC 30 38\tThe mill")
    more = "R1\tnear Arg1:T1 Arg2:T2\n#1\tNote T1\tx\n"
    (folder / "a.ann").write_text((folder / "a.ann").read_text(encoding="utf-8") + more, encoding="utf-8")
    importer = taken(folder, format_of(folder))
    assert [example.text for example in importer.examples] == [TEXT, "The mill was old."]
    assert [spans(example) for example in importer.examples] == [
        ["Zoë|CHARACTER", "the old mill|LOCATION"],
        ["The mill|LOCATION"],
    ]
    first = importer.examples[0]
    assert first.entities[0].alternatives == [EntityCategory.COLLECTIVE]
    assert (first.kinds_annotated, first.event_kinds) == (False, [])
    assert first.categories == meaning().annotated
    assert not importer.drops.counts


def test_brat_in_several_pieces_is_dropped_and_told(tmp_path: Path) -> None:
    folder = brat(tmp_path / "b", TEXT, "T1\tPER 0 3;13 16\tZoë the", "T2\tLOC 13 25\tthe old mill")
    importer = taken(folder, Format.BRAT)
    assert spans(importer.examples[0]) == ["the old mill|LOCATION"]
    assert importer.drops.counts == {"in several pieces: no span can be": 1}


@pytest.mark.parametrize(
    ("unit", "start", "end"), [(Unit.CHARACTERS, 13, 25), (Unit.BYTES, 17, 29), (Unit.UTF16, 14, 26)]
)
def test_units_are_told_apart_by_the_texts(tmp_path: Path, unit: Unit, start: int, end: int) -> None:
    folder = brat(tmp_path / "b", TEXT, f"T1\tLOC {start} {end}\tthe old mill")
    importer = taken(folder, Format.BRAT)
    assert spans(importer.examples[0]) == ["the old mill|LOCATION"]
    assert importer.report().offsets == {one: int(one == unit) for one in Unit}


def test_without_texts_the_user_says_what_offsets_count(tmp_path: Path) -> None:
    path = doccano(tmp_path / "a.jsonl", {"text": TEXT, "label": [[14, 26, "LOC"]]})
    assert spans(taken(path, Format.DOCCANO, offsets=Unit.UTF16).examples[0]) == ["the old mill|LOCATION"]
    assert spans(taken(path, Format.DOCCANO).examples[0]) == ["he old mill.|LOCATION"]


def test_offsets_that_give_another_text_are_dropped_and_told(tmp_path: Path) -> None:
    folder = brat(tmp_path / "b", TEXT, "T1\tPER 0 3\tZoë", "T2\tLOC 5 9\tthe old mill", "T3\tLOC 90 95\tmill")
    importer = taken(folder, Format.BRAT)
    assert spans(importer.examples[0]) == ["Zoë|CHARACTER"]
    assert importer.drops.counts == {"the offsets do not give the annotated text": 2}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "the folder holds no .txt files"),
        ({"a.txt": b"x", "a.ann": b"T1\tPER zero 3\tx\n"}, "a.ann:1: 'T1\\tPER zero 3\\tx' is no `T1<tab>LABEL"),
        ({"a.txt": b"\xff", "a.ann": b""}, "a.txt: not UTF-8 at byte 0"),
        ({"a.txt": b"Mara", "a.ann": b"T1\tHERO 0 4\tMara\n"}, "nobody says what these labels are: HERO"),
    ],
)
def test_bad_brat_is_named(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StorytellerError) as caught:
        taken(tmp_path, Format.BRAT)
    assert message in str(caught.value)


def test_a_brat_document_alone(tmp_path: Path) -> None:
    brat(tmp_path, TEXT, "T1\tPER 0 3\tZoë")
    assert spans(taken(tmp_path / "a.ann", Format.BRAT).examples[0]) == ["Zoë|CHARACTER"]
    (tmp_path / "a.ann").unlink()
    with pytest.raises(StorytellerError, match=r"a\.ann: no such file"):
        taken(tmp_path / "a.txt", Format.BRAT)
    (tmp_path / "b.txt").write_text("Mara waits.")
    (tmp_path / "b.ann").write_text("")
    importer = taken(tmp_path, Format.BRAT)
    assert importer.drops.counts == {"a text without annotation": 1}


# ---- IOB2

IOB = """-DOCSTART- -X- O

Zoë\tB-PER
did\tO
n't\tO
see\tO
"\tO
the\tB-LOC
old\tI-LOC
mill\tI-LOC
"\tO
,\tO
Mara\tI-PER
's\tO
(\tO
today\tB-DATE
)\tO
.\tO

Yes\tO
"""


def test_iob2_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(IOB, encoding="utf-8")
    importer = taken(path, format_of(path))
    assert [example.text for example in importer.examples] == [
        "Zoë didn't see \"the old mill\", Mara's (today).",
        "Yes",
    ]
    assert spans(importer.examples[0]) == ["Zoë|CHARACTER", "the old mill|LOCATION", "Mara|CHARACTER"]
    assert importer.drops.counts == {
        "I- that continues nothing: taken for B-": 1,
        "a label that is none of ours": 1,
    }


def test_iob2_by_the_number_of_its_column(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Mara NNP B-PER x\nwaits VBZ O x\n")
    assert spans(taken(path, Format.IOB2, column=3).examples[0]) == ["Mara|CHARACTER"]
    with pytest.raises(StorytellerError, match=r"a.conll:1: 'x' is no IOB2 label; O, B-NAME or I-NAME is expected"):
        taken(path, Format.IOB2)
    with pytest.raises(StorytellerError, match=r"a.conll:1: .* has no label in column 9"):
        taken(path, Format.IOB2, column=9)


# ---- Label Studio


def studio(path: Path, *tasks: dict[str, object]) -> Path:
    path.write_text(json.dumps(list(tasks)), encoding="utf-8")
    return path


def region(start: int, end: int, *labels: str, text: str | None = None) -> dict[str, object]:
    value: dict[str, object] = {"start": start, "end": end, "labels": list(labels)}
    return {"type": "labels", "value": value | ({} if text is None else {"text": text})}


def test_label_studio_tasks(tmp_path: Path) -> None:
    choice = {"type": "choices", "value": {"choices": ["seeing", "odd"]}}
    done = {"was_cancelled": False, "result": [region(14, 26, "LOC"), region(0, 3, "PER", "LOC"), choice]}
    other = {"result": [region(0, 3, "LOC")]}
    path = studio(
        tmp_path / "a.json",
        {"id": 7, "data": {"text": TEXT}, "annotations": [{"was_cancelled": True, "result": []}, done, other]},
        {"id": 8, "data": {"text": "Nobody."}, "annotations": []},
    )
    importer = taken(path, format_of(path), meaning=meaning({"seeing": "StateAssertion"}))
    (example,) = importer.examples
    assert spans(example) == ["Zoë|CHARACTER", "the old mill|LOCATION"]
    assert (example.kinds_annotated, example.event_kinds) == (True, [EventKind.STATE_ASSERTION])
    assert importer.drops.counts == {
        "more than one annotation of a task: the first was taken": 1,
        "a region with several labels: the first was taken": 1,
        "a task that nobody annotated": 1,
        "a label of a whole text that is no event kind": 1,
    }


def test_label_studio_json_min(tmp_path: Path) -> None:
    label = [{"start": 0, "end": 3, "text": "Zoë", "labels": ["PER"]}]
    path = studio(tmp_path / "a.json", {"id": 1, "text": TEXT, "label": label, "kinds": "seeing"})
    (example,) = taken(path, Format.LABEL_STUDIO, meaning=meaning({"seeing": "StateAssertion"})).examples
    assert spans(example) == ["Zoë|CHARACTER"]
    assert example.event_kinds == [EventKind.STATE_ASSERTION]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("{}", "not a list of tasks"),
        ('[{"data": {"a": "x", "b": "y"}, "annotations": [{"result": []}]}]', "which of its 2 texts is annotated"),
        ('[{"data": {"text": "x"}, "annotations": [{}]}]', "task 1: not as Label Studio exports it"),
    ],
)
def test_bad_label_studio_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(StorytellerError) as caught:
        taken(tmp_path / "a.json", Format.LABEL_STUDIO)
    assert message in str(caught.value)


# ---- doccano


def test_doccano_in_its_forms(tmp_path: Path) -> None:
    offsets = {"start_offset": 13, "end_offset": 25, "label": "LOC"}
    path = doccano(
        tmp_path / "a.jsonl",
        {"text": TEXT, "label": [[13, 25, "LOC"], [0, 3, "PER"]]},
        {"text": f"{TEXT}!", "entities": [offsets], "relations": [], "cats": ["seeing"]},
        {"text": f"{TEXT}?", "entities": [{"start": 17, "end": 29, "text": "the old mill", "category": "LOC"}]},
    )
    importer = taken(path, format_of(path), meaning=meaning({"seeing": "StateAssertion"}))
    assert [spans(example) for example in importer.examples] == [
        ["Zoë|CHARACTER", "the old mill|LOCATION"],
        ["the old mill|LOCATION"],
        ["the old mill|LOCATION"],
    ]
    assert [example.kinds_annotated for example in importer.examples] == [False, True, False]
    assert importer.report().offsets["bytes"] == 1


@pytest.mark.parametrize("line", ["[]", "{}", '{"text": 1}', '{"text": "x", "label": [[0, 1]]}', "{"])
def test_bad_doccano_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(StorytellerError, match=r"a\.jsonl:1: not as doccano writes it"):
        taken(tmp_path / "a.jsonl", Format.DOCCANO)


# ---- what all have in common


def test_of_spans_that_share_text_the_outermost_is_kept(tmp_path: Path) -> None:
    text = "the old mill of Mara and Zoë"
    label = [
        [16, 20, "PER"],
        [0, 20, "LOC"],
        [0, 20, "PER"],
        [16, 28, "PER"],
        [4, 4, "PER"],
        [25, 28, "DATE"],
        [24, 28, "PER"],
    ]
    importer = taken(doccano(tmp_path / "a.jsonl", {"text": text, "label": label}), Format.DOCCANO)
    # The last one's blank is not in the span.
    assert spans(importer.examples[0]) == ["the old mill of Mara|LOCATION", "Zoë|CHARACTER"]
    assert importer.drops.counts == {
        "a second label of the same span": 1,
        "an empty span": 1,
        "a span inside of another: the outermost is kept": 1,
        "a span that crosses another: the first is kept": 1,
        "a label that is none of ours": 1,
    }
    assert "LOC 'the old mill of Mara'" in " ".join(importer.drops.lines())


def test_texts_are_cut_into_sentences(tmp_path: Path) -> None:
    text = "Mr. Linden left. Zoë saw 🎭 at the mill.  It rained."
    label = [[4, 10, "PER"], [17, 20, "PER"], [30, 38, "LOC"], [34, 46, "LOC"]]
    path = doccano(tmp_path / "a.jsonl", {"text": text, "label": label})
    importer = taken(path, Format.DOCCANO, pieces=Pieces.SENTENCES)
    assert [example.text for example in importer.examples] == [
        "Mr. Linden left.",
        "Zoë saw 🎭 at the mill.",
        "It rained.",
    ]
    assert [spans(example) for example in importer.examples] == [
        ["Linden|CHARACTER"],
        ["Zoë|CHARACTER", "the mill|LOCATION"],
        [],
    ]
    assert importer.drops.counts == {"a span over the end of one of the sentences": 1}


def test_a_text_twice_is_taken_once(tmp_path: Path) -> None:
    path = doccano(tmp_path / "a.jsonl", {"text": TEXT, "label": []}, {"text": TEXT, "label": [[0, 3, "PER"]]})
    importer = taken(path, Format.DOCCANO)
    assert len(importer.examples) == 1
    assert importer.drops.counts == {"a text that an earlier one has too": 1}


def test_determiners_are_taken_in_and_weights_kept(tmp_path: Path) -> None:
    path = doccano(tmp_path / "a.jsonl", {"text": "She left the old mill.", "label": [[13, 21, "LOC"]]})
    (kept,) = taken(path, Format.DOCCANO, weight=4.0).examples
    assert (spans(kept), kept.weight) == (["old mill|LOCATION"], 4.0)
    (inside,) = taken(path, Format.DOCCANO, determiners=SpanConvention.INSIDE).examples
    assert spans(inside) == ["the old mill|LOCATION"]


def test_the_map(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('[categories]\nPER = ["CHARACTER", "COLLECTIVE"]\nDATE = ""\nVEH = "OBJECT"\n')
    found = read_map(path)
    assert found.categories["PER"] == (EntityCategory.CHARACTER, EntityCategory.COLLECTIVE)
    assert found.categories["DATE"] == ()
    assert found.annotated == [EntityCategory.CHARACTER, EntityCategory.OBJECT, EntityCategory.COLLECTIVE]
    assert found.kinds_annotated is False
    path.write_text(
        '[categories]\nVEH = "OBJECT"\n[kinds]\nsays = "SpeechAct"\n[annotated]\ncategories = []\nkinds = true\n'
    )
    found = read_map(path)
    assert (found.annotated, found.kinds_annotated, found.kinds) == ([], True, {"says": EventKind.SPEECH_ACT})
    assert own_names().annotated is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[categories", "map.toml: "),
        ('[categories]\nPER = "PERSON"\n', "categories.PER: there is no category 'PERSON'; one of CHARACTER"),
        ("[categories]\nPER = 3\n", "map.toml: "),
        ('[kind]\nx = "SpeechAct"\n', "unknown field `kind`"),
    ],
)
def test_a_bad_map_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "map.toml").write_text(content)
    with pytest.raises(StorytellerError) as caught:
        read_map(tmp_path / "map.toml")
    assert message in str(caught.value)


@pytest.mark.parametrize("format_", Format)
def test_there_and_back(tmp_path: Path, format_: Format) -> None:
    record: dict[str, object] = {
        "text": TEXT,
        "label": [[0, 3, "CHARACTER"], [13, 25, "LOCATION"]],
        "cats": ["StateAssertion"],
    }
    examples = taken(doccano(tmp_path / "in.jsonl", record), Format.DOCCANO, meaning=own_names()).examples
    suffix = {Format.BRAT: ".ann", Format.IOB2: ".tsv", Format.LABEL_STUDIO: ".json", Format.DOCCANO: ".jsonl"}
    path = tmp_path / f"out{suffix[format_]}"
    lost = WRITERS[format_](examples, path)
    assert format_of(path) is format_
    (found,) = taken(path, format_, meaning=own_names()).examples
    assert (found.text, spans(found)) == (examples[0].text, spans(examples[0]))
    keeps_kinds = format_ in (Format.LABEL_STUDIO, Format.DOCCANO)
    assert bool(lost) is not keeps_kinds
    assert found.event_kinds == (examples[0].event_kinds if keeps_kinds else [])
    assert found.kinds_annotated is keeps_kinds


def test_names_that_say_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match="name it with --format"):
        format_of(tmp_path / "a.xml")
    assert format_of(tmp_path / "a.jsonl.gz") is Format.DOCCANO
