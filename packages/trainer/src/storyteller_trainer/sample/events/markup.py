"""The inline markup of entities: `[Mara|CHARACTER:Actor] let the [lantern|OBJECT:Target] fall.`"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeVar

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import WireEnum
from storyteller_schema.contract.events import EntityCategory, EntityRole

from storyteller_trainer.events.data.example import Entity

E = TypeVar("E", bound=WireEnum)

_SPAN = re.compile(r"\[(?P<text>[^][|]+)\|(?P<category>[^][|:]+):(?P<role>[^][|:]+)\]")


class Piece(NamedTuple):
    """A run of text; an entity where it has a category and a role."""

    text: str
    category: EntityCategory | None = None
    role: EntityRole | None = None


def named(enum: type[E], name: str) -> E:
    """The member of an enum that is written exactly so.

    Raises:
        StorytellerError: there is none; the message lists those that there are.
    """
    if name not in enum.labels():
        raise StorytellerError(f"{enum.__name__} has no {name!r}; expected one of {', '.join(enum.labels())}")
    return enum(name)


def parse_markup(line: str) -> list[Piece]:
    """The pieces of a marked-up line, entities and the text between them, in order.

    Raises:
        StorytellerError: a bracket that is no complete `[text|CATEGORY:Role]`, or an unknown category or role.
    """
    pieces: list[Piece] = []
    position = 0
    for match in _SPAN.finditer(line):
        pieces.append(Piece(line[position : match.start()]))
        category = named(EntityCategory, match["category"])
        pieces.append(Piece(match["text"], category, named(EntityRole, match["role"])))
        position = match.end()
    pieces.append(Piece(line[position:]))
    for piece in pieces:
        if piece.category is None and re.search(r"[][|]", piece.text):
            raise StorytellerError(f"a bracket in {piece.text.strip()!r} is no [text|CATEGORY:Role]")
    return [piece for piece in pieces if piece.text]


def assemble(pieces: list[Piece]) -> tuple[str, list[Entity]]:
    """The plain text, and its entities with offsets in bytes of UTF-8."""
    entities: list[Entity] = []
    position = 0
    for text, category, role in pieces:
        end = position + len(text.encode())
        if category is not None and role is not None:
            entities.append(Entity(start=position, end=end, text=text, category=category, role=role))
        position = end
    return "".join(piece.text for piece in pieces), entities
