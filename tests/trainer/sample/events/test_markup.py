"""Inline markup becomes text and byte offsets; what is no markup is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EntityRole
from storyteller_trainer.events.data.example import Entity
from storyteller_trainer.events.data.skeleton import skeleton
from storyteller_trainer.sample.events.markup import Piece, assemble, parse_markup


def test_offsets_count_bytes() -> None:
    text, entities = assemble(parse_markup("[Åsa|CHARACTER:Actor]’s [blue lamp|OBJECT:Target] fell."))
    assert text == "Åsa’s blue lamp fell."
    assert entities == [
        Entity(start=0, end=4, text="Åsa", category=EntityCategory.CHARACTER, role=EntityRole.ACTOR),
        Entity(start=9, end=18, text="blue lamp", category=EntityCategory.OBJECT, role=EntityRole.TARGET),
    ]


def test_a_line_without_entities() -> None:
    assert parse_markup("Nothing here.") == [Piece("Nothing here.")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[Mara] fell", "no [text|CATEGORY:Role]"),
        ("[Mara|CHARACTER] fell", "no [text|CATEGORY:Role]"),
        ("[|CHARACTER:Actor] fell", "no [text|CATEGORY:Role]"),
        ("Mara|CHARACTER:Actor] fell", "no [text|CATEGORY:Role]"),
        ("[Mara|PERSON:Actor] fell", "no 'PERSON'"),
        ("[Mara|character:Actor] fell", "no 'character'"),
        ("[Mara|CHARACTER:Hero] fell", "no 'Hero'"),
    ],
)
def test_bad_markup_is_refused(line: str, message: str) -> None:
    with pytest.raises(StorytellerError) as caught:
        parse_markup(line)
    assert message in str(caught.value)


PIECES = st.lists(
    st.builds(
        lambda text, category, role: Piece(text, category, role) if category else Piece(text),
        st.text(st.characters(blacklist_categories=["Cs"]), min_size=1),
        st.none() | st.sampled_from(EntityCategory),
        st.sampled_from(EntityRole),
    )
)


@given(PIECES)
def test_every_entity_is_found_at_its_offsets(pieces: list[Piece]) -> None:
    text, entities = assemble(pieces)
    assert [entity.text for entity in entities] == [piece.text for piece in pieces if piece.category]
    for entity in entities:
        assert text.encode()[entity.start : entity.end].decode() == entity.text


def test_skeleton() -> None:
    text, entities = assemble(parse_markup("[Åsa|CHARACTER:Actor] lost\n  the [Blue lamp|OBJECT:Target]."))
    assert skeleton(text, entities) == "<character> lost the <object>."
    assert skeleton(text, list(reversed(entities))) == skeleton(text, entities)
    assert skeleton("It  RAINED.", []) == "it rained."
