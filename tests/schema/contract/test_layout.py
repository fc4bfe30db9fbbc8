"""The layout of both vectors, against a frozen copy.

`layout.frozen.txt` holds the offset and name of all 453 + 42 floats. A change of it breaks every engine, data set and
checkpoint there is; one that is meant is written with `python tests/schema/contract/test_layout.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from storyteller_schema.contract.enums import SceneType
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Field, Kind, Layout, Region, one_hot
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS

FROZEN = Path(__file__).with_name("layout.frozen.txt")


def render_layout() -> str:
    """One line per float: vector, offset, name."""
    return "".join(
        f"{vector} {offset} {name}\n"
        for vector, layout in (("input", FEATURES), ("output", PREDICTIONS))
        for offset, name in enumerate(layout.float_names)
    )


def test_every_float_has_its_frozen_place_and_name() -> None:
    assert render_layout() == FROZEN.read_text(encoding="utf-8")


def test_the_regions_have_the_engines_names_and_places() -> None:
    table = [(r.name, r.offset, r.length, r.slots, r.per_slot) for r in (*FEATURES.regions, *PREDICTIONS.regions)]
    assert table == [
        ("tensor", 0, 208, 16, 13),
        ("emotional_state", 208, 48, 8, 6),
        ("self_edge", 256, 7, 1, 7),
        ("relational_edges", 263, 120, 5, 24),
        ("scene_context", 383, 6, 1, 6),
        ("player_event", 389, 16, 1, 16),
        ("history", 405, 48, 3, 16),
        ("action", 0, 14, 1, 14),
        ("speech", 14, 6, 1, 6),
        ("thought", 20, 6, 1, 6),
        ("emotion", 26, 16, 1, 16),
    ]
    assert (FEATURES.size, PREDICTIONS.size) == (453, 42)
    assert list(HEADS.items()) == [("action", 14), ("speech", 6), ("thought", 6), ("emotion", 16)]


@pytest.mark.parametrize(
    ("path", "span"),
    [
        ("action.type", slice(0, 6)),
        ("action.confidence", slice(6, 7)),
        ("action.target_index", slice(7, 8)),
        ("action.emotional_valence", slice(8, 9)),
        ("action.context", slice(9, 14)),
        ("speech.occurs", slice(14, 15)),
        ("speech.register", slice(15, 19)),
        ("speech.confidence", slice(19, 20)),
        ("thought.awareness", slice(20, 25)),
        ("thought.dominant_emotion_index", slice(25, 26)),
        ("emotion.intensity_delta", slice(26, 34)),
        ("emotion.awareness_shift", slice(34, 42)),
        ("emotion", slice(26, 42)),
    ],
)
def test_the_slices_of_the_outputs(path: str, span: slice) -> None:
    assert PREDICTIONS.span(path) == span


def test_the_names_of_floats_are_unique_and_found_where_locate_says() -> None:
    for layout in (FEATURES, PREDICTIONS):
        assert len(set(layout.float_names)) == layout.size
        for region in layout.regions:
            assert layout.float_names[region.span] == region.float_names
            for slot in range(region.slots):
                for field in region.fields:
                    names = layout.float_names[region.locate(field.name, slot)]
                    assert all(name.endswith(own) for name, own in zip(names, field.float_names, strict=True))


def test_a_field_in_a_slot_is_located_from_the_regions_start() -> None:
    region = FEATURES["relational_edges"]
    assert region.locate("affection.range_low", 2) == slice(263 + 2 * 24 + 14, 263 + 2 * 24 + 15)
    assert region.within_slot("topological_role") == slice(20, 24)
    assert region.field("topological_role").kind is Kind.ONE_HOT


def test_sizes_and_names_derive_from_the_declaration() -> None:
    layout = Layout(
        Region("flat", "", (Field("x"), Field("y", Kind.BINARY, ("u", "v")))),
        Region("slots", "", (one_hot("scene", SceneType), Field("z")), ("a", "b")),
    )
    assert layout.size == 3 + 2 * 5
    assert layout.float_names[:4] == ("flat.x", "flat.y[u]", "flat.y[v]", "slots[a].scene[Gravitational]")
    assert layout.span("flat.y") == slice(1, 3)
    assert layout["slots"].locate("z", 1) == slice(12, 13)


def test_an_unknown_region_field_or_slot_is_refused_with_what_there_is() -> None:
    with pytest.raises(KeyError, match=r"no region 'mood'.*tensor"):
        FEATURES["mood"]
    with pytest.raises(KeyError, match=r"tensor has no field 'mood'.*variance"):
        FEATURES["tensor"].within_slot("mood")
    with pytest.raises(KeyError, match=r"tensor has no field 'mood'.*variance"):
        FEATURES["tensor"].field("mood")
    with pytest.raises(IndexError, match="tensor has 16 slots, not a slot 16"):
        FEATURES["tensor"].locate("variance", 16)
    with pytest.raises(IndexError, match="not a slot -1"):
        FEATURES["tensor"].locate("variance", -1)


if __name__ == "__main__":
    FROZEN.write_text(render_layout(), encoding="utf-8")
