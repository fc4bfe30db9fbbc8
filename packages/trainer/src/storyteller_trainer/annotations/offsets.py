"""Offsets of other tools to characters: they count characters, bytes of UTF-8 or code units of UTF-16."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate

from storyteller_trainer.annotations.document import Document, DropLog, Mention, Unit

_WIDTHS: dict[Unit, Callable[[str], int]] = {
    Unit.CHARACTERS: lambda character: 1,
    Unit.BYTES: lambda character: len(character.encode(errors="surrogatepass")),
    Unit.UTF16: lambda character: 2 if ord(character) > 0xFFFF else 1,
}


def boundaries(text: str, unit: Unit) -> list[int]:
    """The offset of each character boundary, [characters + 1]."""
    return list(accumulate(map(_WIDTHS[unit], text), initial=0))


def in_characters(text: str, mention: Mention, unit: Unit) -> Mention | None:
    """The mention with offsets in characters; None where they fall outside of the text or inside a character."""
    to_character = {offset: place for place, offset in enumerate(boundaries(text, unit))}
    start, end = to_character.get(mention.start), to_character.get(mention.end)
    if start is None or end is None or start > end:
        return None
    return Mention(start, end, mention.label, mention.text)


def fitting_units(document: Document) -> list[Unit]:
    """The units under which every offset is a place in the text, and gives the text that the tool wrote down."""
    return [unit for unit in Unit if all(_fits(document.text, mention, unit) for mention in document.mentions)]


def _fits(text: str, mention: Mention, unit: Unit) -> bool:
    found = in_characters(text, mention, unit)
    return found is not None and (mention.text is None or _same(text[found.start : found.end], mention.text))


def _same(found: str, told: str) -> bool:
    """Tools write a line break inside of a stretch as a blank."""
    return found == told or found.split() == told.split() != []


def unify(documents: Sequence[Document], told: Unit | None, drops: DropLog) -> tuple[list[Document], Counter[Unit]]:
    """The documents with offsets in characters, and how many need which unit, those that any unit fits left out.

    The unit is that of the file: the one that fits most of the documents that are not ASCII, characters on a tie. A
    document that it does not fit is read by one that does; a mention that none fits is dropped.

    Args:
        told: the unit, where the user says so.
    """
    fitting = [fitting_units(document) for document in documents]
    only = Counter(units[0] for units in fitting if len(units) == 1)
    votes = Counter(unit for units in fitting if len(units) < len(Unit) for unit in units)
    usual = told or max(Unit, key=lambda unit: votes[unit])
    result = []
    for document, units in zip(documents, fitting, strict=True):
        unit = usual if told or usual in units or not units else units[0]
        mentions = []
        for mention in document.mentions:
            found = in_characters(document.text, mention, unit)
            if found is None or not _fits(document.text, mention, unit):
                where = "outside of the text or inside a character" if found is None else "give another text"
                drops.add(
                    "the offsets do not give the annotated text",
                    document.place,
                    f"{mention.label} {mention.start}-{mention.end} {mention.text or ''!r} as {unit}: {where}",
                )
            else:
                mentions.append(found)
        result.append(Document(document.place, document.text, mentions, document.kinds))
    return result, only
