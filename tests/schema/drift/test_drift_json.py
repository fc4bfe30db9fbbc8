"""The check against JSON, plain and rich: every difference is a row that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.schema_json import plain_document, read_document, rich_document, write_document
from storyteller_schema.drift.differences import check_document, check_file, check_reference
from storyteller_schema.drift.golden_vectors import reference_document, with_our_vectors


def plain() -> Any:
    return json.loads(write_document(plain_document()))


def rich() -> Any:
    return json.loads(write_document(with_our_vectors(rich_document(), reference_document())))


def rows(document: Any) -> list[tuple[str, str, str]]:
    report = check_document(read_document(json.dumps(document).encode(), "test"), "test")
    assert report.agrees is not bool(report.differences)
    return [(row.name, row.here, row.there) for row in report.differences]


def test_the_committed_schema_of_the_reference_crate_agrees() -> None:
    report = check_reference()
    assert report.agrees
    assert report.covered == {
        "sizes and regions": 13,
        "constants": 17,
        "enum order": 59,
        "one-hot": 46,
        "decode rules": 2,
        "event labels": 24,
        "golden vectors": sum(len(v) for v in _golden_facts()),
    }


def _golden_facts() -> list[list[object]]:
    document = reference_document()
    encode = [list(vector.features) for vector in document.golden_encode or ()]
    decode = [
        [field for head in vector.prediction.values() for field in head.values()]
        for vector in document.golden_decode or ()
    ]
    # The deltas are a mapping of their own: one fact for each, and one that says that there is none.
    deltas = [
        list(vector.prediction["emotion"]["intensity_delta"]) or ["(empty)"] for vector in document.golden_decode or ()
    ]
    return [*encode, *(fields[:-2] + fields[-1:] for fields in decode), *deltas]


def test_what_the_plain_form_cannot_show_is_said() -> None:
    report = check_document(plain_document(), "test")
    assert report.agrees
    assert report.covered == {"sizes and regions": 13}
    assert report.unseen == [
        "constants: not in this JSON",
        "enum order: not in this JSON",
        "one-hot: not in this JSON",
        "decode rules: not in this JSON",
        "event labels: not in this JSON",
        "golden vectors: not in this JSON",
    ]


def test_the_rich_form_shows_everything() -> None:
    report = check_document(read_document(json.dumps(rich()).encode(), "test"), "test")
    assert report.agrees
    assert report.unseen == []
    assert report.extra == []


def test_a_renamed_region() -> None:
    document = plain()
    document["input_regions"][2]["name"] = "inner_edge"
    assert rows(document) == [("input_regions[2]", "self_edge at 256, 7 floats", "inner_edge at 256, 7 floats")]


def test_a_moved_a_resized_and_a_missing_region() -> None:
    document = plain()
    document["input_regions"][0]["length"] += 1
    document["input_regions"][1]["offset"] += 1
    del document["output_regions"][3]
    document["output_size"] -= 16
    assert [name for name, _, _ in rows(document)] == [
        "input_regions[0]",
        "input_regions[1]",
        "output_size",
        "output_regions[3]",
    ]


def test_descriptions_are_free_text() -> None:
    document = plain()
    document["input_regions"][0]["description"] = "Said otherwise"
    del document["input_regions"][1]["description"]
    assert rows(document) == []


def test_a_wrong_constant_a_lost_one_and_one_more() -> None:
    document = rich()
    document["constants"]["MAX_EDGES"] = 6
    del document["constants"]["HISTORY_DEPTH"]
    document["constants"]["MAX_MOODS"] = 2
    assert rows(document) == [("MAX_EDGES", "5", "6"), ("HISTORY_DEPTH", "3", "(absent)")]
    report = check_document(read_document(json.dumps(document).encode(), "test"), "test")
    assert report.extra == ["MAX_MOODS = 2"]


def test_a_swapped_pair_of_variants() -> None:
    document = rich()
    order = document["enums"]["TemporalLayer"]
    order[0], order[1] = order[1], order[0]
    assert rows(document) == [
        ("enum TemporalLayer[0]", "Topsoil", "Sediment"),
        ("enum TemporalLayer[1]", "Sediment", "Topsoil"),
    ]


def test_a_missing_enum_is_unseen_and_an_unknown_one_extra() -> None:
    document = rich()
    document["enums"]["Weather"] = document["enums"].pop("Primary")
    report = check_document(read_document(json.dumps(document).encode(), "test"), "test")
    assert report.unseen == ["enum order Primary: not in this JSON"]
    assert report.extra == ["enum order Weather"]


def test_a_changed_one_hot() -> None:
    document = rich()
    document["one_hots"]["SceneType"]["Gate"] = [0, 0, 0.5, 0]
    assert rows(document) == [("one-hot SceneType::Gate", "[0, 0, 1, 0]", "[0, 0, 0.5, 0]")]


def test_a_shifted_label() -> None:
    document = rich()
    labels = document["events"]["bio_labels"]
    document["events"]["bio_labels"] = [labels[-1], *labels[:-1]]
    assert [name for name, _, _ in rows(document)] == [f"BIO_LABELS[{position}]" for position in range(15)]


def test_another_decode_rule_and_another_fingerprint() -> None:
    document = rich()
    document["decode_rules"]["binary_cut"] = 0.0
    document["fingerprint"] = "0" * 64
    names = [name for name, _, _ in rows(document)]
    assert names == ["fingerprint", "binary_cut"]


def test_behaviour_that_differs_while_every_number_agrees() -> None:
    document = rich()
    document["golden_encode"][1]["features"][2] += 1e-6
    document["golden_decode"][0]["prediction"]["speech"]["register"] = "Whisper"
    document["golden_decode"][1]["prediction"]["emotion"]["intensity_delta"].pop("Joy")
    document["golden_decode"][2]["prediction"]["emotion"]["awareness_shift"] = []
    found = rows(document)
    assert [name for name, _, _ in found] == [
        "golden_encode[1].features tensor[0].range_low",
        "golden_decode[0].prediction speech.register",
        "golden_decode[1].prediction emotion.intensity_delta.Joy",
        "golden_decode[2].prediction emotion.awareness_shift",
    ]
    assert all(here != there for _, here, there in found)


def test_features_of_another_length() -> None:
    document = rich()
    document["golden_encode"][0]["features"].pop()
    document["golden_encode"][1]["features"].append(1.0)
    assert [name for name, _, _ in rows(document)] == [
        "golden_encode[0].features history[2].emotional_valence",
        "golden_encode[1].features (one more)",
    ]


# --- what is no source


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a schema"),
        (b"{}", "missing required field `input_size`"),
        (b"[1]", "Expected `object`, got `array`"),
        (b'{"input_size": "453"}', r"Expected `int`, got `str` - at `\$\.input_size`"),
        (b"\xff\xfe", "not a schema"),
    ],
)
def test_a_file_that_is_no_schema(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(content)
    with pytest.raises(StorytellerError, match=message) as caught:
        check_file(path)
    assert str(path) in str(caught.value)


def test_a_golden_input_that_is_none(tmp_path: Path) -> None:
    document = rich()
    document["golden_encode"][0]["scenario"]["scene_context"]["tension"] = "high"
    with pytest.raises(StorytellerError, match="tension"):
        read_document(json.dumps(document).encode(), "test")
    document = rich()
    document["golden_decode"][0]["outputs"].pop()
    with pytest.raises(StorytellerError, match="42"):
        rows(document)


def test_a_byte_order_mark_and_unknown_keys_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({**plain(), "made_by": "someone"}), encoding="utf-8-sig")
    assert check_file(path).agrees


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match="cannot be read"):
        check_file(tmp_path / "nowhere.json")
