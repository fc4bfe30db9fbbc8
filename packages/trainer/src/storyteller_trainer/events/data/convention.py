"""Whether a data set's entity spans hold their determiners: "[the lantern]", as the engine writes them, or "the
[lantern]". A model learns what its data does, and judged by data of the other convention it is judged wrongly.

English only: a determiner is one of the words below. Numerals and quantifiers between a determiner and its noun belong
to the noun phrase either way and tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from storyteller_trainer.events.data.example import Entity, EventExample

_ARTICLES_AND_POSSESSIVES = ("the", "a", "an", "my", "your", "his", "her", "its", "our", "their")
_OTHERS = ("this", "that", "these", "those", "some", "any", "no", "every", "each", "another")
#: Words that open a noun phrase.
DETERMINERS = frozenset({*_ARTICLES_AND_POSSESSIVES, *_OTHERS})
#: Those that as often stand alone before a span: "she gave her [books]", "he knew that [guards] were there".
AMBIGUOUS = frozenset({"her", "that", "his", "no", "this"})
#: No determiner belongs to these.
PRONOUNS = frozenset(["i", "me", "you", "he", "him", "she", "her", "it", "we", "us", "they", "them"])

_WORD_BEFORE = re.compile(rb"([A-Za-z]+)[ \t]+$")
_LEADING = re.compile(r"([A-Za-z]+)\s+(?=\S)")
#: One kind of span may be this rare beside the other before a set counts as mixed.
MIXED_ABOVE = 0.25


class SpanConvention(StrEnum):
    """What spans do with their determiners."""

    #: As the engine's own data.
    INSIDE = "determiners inside"
    OUTSIDE = "determiners outside"
    #: Some do and some do not: more than a quarter of either.
    MIXED = "mixed"
    #: No span has a determiner in it or before it.
    UNKNOWN = "unknown"


class DeterminerCount(msgspec.Struct, frozen=True):
    """What was counted in a data set."""

    spans: int
    #: Spans that begin with a determiner and go on.
    inside: int
    #: Spans right after a determiner that belongs to no span.
    outside: int

    @property
    def share(self) -> float:
        """Of all spans, those that begin with a determiner."""
        return self.inside / self.spans if self.spans else 0.0

    @property
    def name(self) -> SpanConvention:
        """The convention, as far as the counts tell."""
        both = self.inside + self.outside
        if not both:
            return SpanConvention.UNKNOWN
        if min(self.inside, self.outside) / both > MIXED_ABOVE:
            return SpanConvention.MIXED
        return SpanConvention.INSIDE if self.inside > self.outside else SpanConvention.OUTSIDE

    def describe(self) -> str:
        """The convention and what it was told by, for people."""
        return (
            f"{self.name}, {self.share:.1%} of {self.spans} spans begin with a determiner, "
            f"{self.outside} stand right after one"
        )


def convention(examples: Iterable[EventExample]) -> DeterminerCount:
    """Counts spans with a determiner in them, and spans with one left before them. Offsets are bytes."""
    spans = inside = outside = 0
    for example in examples:
        source = example.text.encode()
        ends = {entity.end for entity in example.entities}
        for entity in example.entities:
            spans += 1
            if _begins_with_determiner(entity.text):
                inside += 1
            elif (before := _determiner_before(source, entity, ends)) and before[1] not in AMBIGUOUS:
                outside += 1
    return DeterminerCount(spans, inside, outside)


def converted(examples: Sequence[EventExample], to: SpanConvention) -> list[EventExample]:
    """The same examples with determiners taken into their spans, or left out of them.

    Args:
        to: INSIDE or OUTSIDE; anything else changes nothing.
    """
    if to is SpanConvention.INSIDE:
        return [msgspec.structs.replace(example, entities=_with_determiners(example)) for example in examples]
    if to is SpanConvention.OUTSIDE:
        return [
            msgspec.structs.replace(example, entities=[_without_determiner(entity) for entity in example.entities])
            for example in examples
        ]
    return list(examples)


def _begins_with_determiner(text: str) -> bool:
    match = _LEADING.match(text)
    return match is not None and match[1].lower() in DETERMINERS


def _determiner_before(source: bytes, entity: Entity, ends: set[int]) -> tuple[int, str] | None:
    """Where the determiner right before an entity begins, and the word in lower case; None where there is none.

    A word that is, or ends, another span is no determiner of this one, and names take only "the".
    """
    match = _WORD_BEFORE.search(source, 0, entity.start)
    if match is None or match.end(1) in ends or entity.text.lower() in PRONOUNS:
        return None
    word = match[1].decode().lower()
    if word not in DETERMINERS or (entity.text[:1].isupper() and word != "the"):
        return None
    return match.start(1), word


def _with_determiners(example: EventExample) -> list[Entity]:
    source = example.text.encode()
    ends = {entity.end for entity in example.entities}
    result = []
    for entity in example.entities:
        if not _begins_with_determiner(entity.text) and (before := _determiner_before(source, entity, ends)):
            start = before[0]
            entity = msgspec.structs.replace(entity, start=start, text=source[start : entity.end].decode())
        result.append(entity)
    return result


def _without_determiner(entity: Entity) -> Entity:
    if not _begins_with_determiner(entity.text):
        return entity
    match = _LEADING.match(entity.text)
    assert match is not None
    return msgspec.structs.replace(entity, start=entity.start + match.end(), text=entity.text[match.end() :])
