"""The documents in which the engine and this workspace tell each other the contract."""

from __future__ import annotations

import json

from storyteller_schema.contract.schema_json import plain_document, read_document, rich_document, write_document


def test_the_rich_document_reads_back_as_it_was_written() -> None:
    document = rich_document()
    assert read_document(write_document(document).encode(), "test") == document


def test_the_plain_document_has_the_keys_of_the_engines_json() -> None:
    text = write_document(plain_document())
    document = json.loads(text)
    assert list(document) == ["input_size", "output_size", "input_regions", "output_regions"]
    assert (document["input_size"], document["output_size"]) == (453, 42)
    assert [(region["name"], region["offset"], region["length"]) for region in document["input_regions"]] == [
        ("tensor", 0, 208),
        ("emotional_state", 208, 48),
        ("self_edge", 256, 7),
        ("relational_edges", 263, 120),
        ("scene_context", 383, 6),
        ("player_event", 389, 16),
        ("history", 405, 48),
    ]
    assert [(region["name"], region["offset"], region["length"]) for region in document["output_regions"]] == [
        ("action", 0, 14),
        ("speech", 14, 6),
        ("thought", 20, 6),
        ("emotion", 26, 16),
    ]
    assert all(set(region) == {"name", "offset", "length", "description"} for region in document["input_regions"])
