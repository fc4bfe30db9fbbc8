"""Annotated documents to event data: one convention of spans, categories by a map, and a report of what was dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register

from storyteller_trainer.annotations import brat, doccano, iob2, label_studio
from storyteller_trainer.annotations.category_map import CategoryMap
from storyteller_trainer.annotations.document import Document, DropLog, Mention, Unit
from storyteller_trainer.annotations.offsets import unify
from storyteller_trainer.annotations.sentences import line_places, sentence_places
from storyteller_trainer.events.data.convention import DeterminerCount, SpanConvention, convention, converted
from storyteller_trainer.events.data.example import Entity, EventExample

#: No annotation tool knows of roles, and nothing is trained on them.
ROLE = EntityRole.SUBJECT


class Format(StrEnum):
    """The formats that are read and written."""

    BRAT = "brat"
    IOB2 = "iob2"
    LABEL_STUDIO = "label-studio"
    DOCCANO = "doccano"


class Pieces(StrEnum):
    """What becomes one record."""

    TEXTS = "texts"
    LINES = "lines"
    SENTENCES = "sentences"


#: The format by the end of a name.
_SUFFIXES = {
    ".ann": Format.BRAT,
    ".txt": Format.BRAT,
    ".json": Format.LABEL_STUDIO,
    ".jsonl": Format.DOCCANO,
    ".tsv": Format.IOB2,
    ".conll": Format.IOB2,
    ".iob": Format.IOB2,
    ".iob2": Format.IOB2,
    ".bio": Format.IOB2,
}
#: What a text of a format usually is: brat's documents are whole chapters, with a line for each sentence or paragraph.
USUAL_PIECES = {Format.BRAT: Pieces.LINES}


def format_of(path: Path) -> Format:
    """The format that a name stands for; a folder is brat's.

    Raises:
        StorytellerError: the name says nothing.
    """
    if path.is_dir():
        return Format.BRAT
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if suffixes and suffixes[-1].lower() in _SUFFIXES:
        return _SUFFIXES[suffixes[-1].lower()]
    raise StorytellerError(f"{path}: the name does not say which format it has; name it with --format")


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import came to."""

    #: Documents read, and records made of them.
    documents: int
    records: int
    entities: int
    categories: dict[str, int]
    with_kinds: int
    #: Documents whose offsets fit only one unit, by that unit.
    offsets: dict[str, int]
    spans: SpanConvention
    determiner_share: float
    #: Reason to how often something was dropped or changed for it, and the first few of each.
    dropped: dict[str, int]
    first_dropped: dict[str, list[str]]


class Importer:
    """Reads annotated files and collects the records of all of them."""

    def __init__(
        self,
        meaning: CategoryMap,
        *,
        pieces: Pieces | None = None,
        offsets: Unit | None = None,
        column: int | None = None,
        register: Register = Register.NARRATOR,
        determiners: SpanConvention = SpanConvention.UNKNOWN,
        weight: float = 1.0,
        train_only: bool = False,
    ) -> None:
        """
        Args:
            pieces: what becomes one record; None for what is usual for a format.
            offsets: what offsets count; None to tell it from the texts of the entities.
            column: of the label in IOB2 files, counted from 1; None for the last.
            determiners: INSIDE or OUTSIDE to have spans so; anything else leaves them.
            weight: how much each record counts in training.
            train_only: no record is ever held out.
        """
        self.drops = DropLog()
        self.examples: list[EventExample] = []
        self._meaning, self._pieces, self._offsets, self._column = meaning, pieces, offsets, column
        self._register, self._determiners = register, determiners
        self._weight, self._train_only = weight, train_only
        self._documents = 0
        self._units: dict[str, int] = {unit.value: 0 for unit in Unit}
        self._texts: set[str] = set()

    def add(self, path: Path, format_: Format) -> None:
        """Takes in a file, or a folder of brat's.

        Raises:
            StorytellerError: it cannot be read, is not of the format, or has a label that the map does not name.
        """
        readers: dict[Format, Callable[[], list[Document]]] = {
            Format.BRAT: lambda: brat.read(path, self.drops),
            Format.IOB2: lambda: iob2.read(path, self.drops, column=self._column),
            Format.LABEL_STUDIO: lambda: label_studio.read(path, self.drops),
            Format.DOCCANO: lambda: doccano.read(path),
        }
        documents = readers[format_]()
        self._check_labels(path, documents)
        told = Unit.CHARACTERS if format_ is Format.IOB2 else self._offsets
        if told is None and format_ is Format.LABEL_STUDIO and not _with_texts(documents):
            told = Unit.UTF16
        documents, units = unify(documents, told, self.drops)
        for unit, count in units.items():
            self._units[unit.value] += count
        pieces = self._pieces or USUAL_PIECES.get(format_, Pieces.TEXTS)
        self._documents += len(documents)
        for document in documents:
            for piece in _cut(document, pieces, self.drops):
                self._take(piece)

    def report(self) -> ImportReport:
        """What it came to so far."""
        entities = [entity for example in self.examples for entity in example.entities]
        found: DeterminerCount = convention(self.examples)
        return ImportReport(
            documents=self._documents,
            records=len(self.examples),
            entities=len(entities),
            categories={c.value: sum(entity.category is c for entity in entities) for c in EntityCategory},
            with_kinds=sum(example.kinds_annotated for example in self.examples),
            offsets=self._units,
            spans=found.name,
            determiner_share=found.share,
            dropped=dict(self.drops.counts),
            first_dropped=self.drops.examples,
        )

    def _check_labels(self, path: Path, documents: Sequence[Document]) -> None:
        labels = {mention.label for document in documents for mention in document.mentions}
        if unknown := sorted(labels - self._meaning.categories.keys()):
            raise StorytellerError(
                f"{path}: nobody says what these labels are: {', '.join(unknown)}; name them in a --map file, like "
                f'[categories] and {unknown[0]} = "CHARACTER" (or "" for what is none of ours)'
            )

    def _take(self, document: Document) -> None:
        entities = self._entities(document)
        kinds = self._kinds(document)
        if document.text in self._texts:
            self.drops.add("a text that an earlier one has too", document.place, document.text[:60])
            return
        self._texts.add(document.text)
        example = EventExample(
            id=str(uuid5(NAMESPACE_OID, document.text)),
            text=document.text,
            register=self._register,
            event_kinds=kinds or [],
            entities=entities,
            kinds_annotated=kinds is not None,
            categories=self._meaning.annotated,
            weight=self._weight,
            train_only=self._train_only,
        )
        self.examples += converted([example], self._determiners)

    def _kinds(self, document: Document) -> list[EventKind] | None:
        """The event kinds; None where they were not annotated."""
        kinds = []
        for label in document.kinds or []:
            if label in self._meaning.kinds:
                kinds.append(self._meaning.kinds[label])
            else:
                self.drops.add("a label of a whole text that is no event kind", document.place, label)
        if kinds and self._meaning.kinds_annotated is not False:
            return list(dict.fromkeys(kinds))
        if self._meaning.kinds_annotated:
            self.drops.add("a text without a kind: taken for one without annotated kinds", document.place, "")
        return None

    def _entities(self, document: Document) -> list[Entity]:
        """Entities with offsets in bytes; of such that share text the outermost."""
        entities: list[Entity] = []
        taken: list[Mention] = []
        for mention in sorted(document.mentions, key=lambda one: (one.start, -one.end)):
            text = document.text[mention.start : mention.end]
            what = f"{mention.label} {text!r}"
            categories = self._meaning.categories[mention.label]
            if not text.strip():
                self.drops.add("an empty span", document.place, what)
                continue
            if not categories:
                self.drops.add("a label that is none of ours", document.place, what)
                continue
            if taken and mention.start < taken[-1].end:
                outer = taken[-1]
                nested = mention.end <= outer.end
                same = (mention.start, mention.end) == (outer.start, outer.end)
                reason = (
                    "a second label of the same span"
                    if same
                    else "a span inside of another: the outermost is kept"
                    if nested
                    else "a span that crosses another: the first is kept"
                )
                outside = document.text[outer.start : outer.end]
                self.drops.add(reason, document.place, f"{what} and {outer.label} {outside!r}")
                continue
            taken.append(mention)
            start = mention.start + len(text) - len(text.lstrip())
            text = text.strip()
            begin = len(document.text[:start].encode())
            entities.append(
                Entity(
                    start=begin,
                    end=begin + len(text.encode()),
                    text=text,
                    category=categories[0],
                    role=ROLE,
                    alternatives=list(categories[1:]),
                )
            )
        return entities


def _with_texts(documents: Sequence[Document]) -> bool:
    return any(mention.text is not None for document in documents for mention in document.mentions)


def _cut(document: Document, pieces: Pieces, drops: DropLog) -> Iterator[Document]:
    """The lines or sentences of a document; a mention that reaches over the end of one is dropped."""
    if not document.text.strip():
        drops.add("an empty text", document.place, "")
        return
    if pieces is Pieces.TEXTS:
        yield document
        return
    places = list(line_places(document.text) if pieces is Pieces.LINES else sentence_places(document.text))
    left = sorted(document.mentions, key=lambda mention: mention.start)
    for start, end in places:
        inside = [mention for mention in left if start <= mention.start < end]
        left = [mention for mention in left if mention not in inside]
        kept = []
        for mention in inside:
            if mention.end > end:
                what = f"{mention.label} {document.text[mention.start : mention.end]!r}"
                drops.add(f"a span over the end of one of the {pieces}", document.place, what)
            else:
                kept.append(Mention(mention.start - start, mention.end - start, mention.label))
        yield Document(document.place, document.text[start:end], kept, document.kinds)
    for mention in left:
        what = f"{mention.label} {document.text[mention.start : mention.end]!r}"
        drops.add(f"a span outside of all {pieces}", document.place, what)


WRITERS: dict[Format, Callable[[Sequence[EventExample], Path], list[str]]] = {
    Format.BRAT: brat.write,
    Format.IOB2: iob2.write,
    Format.LABEL_STUDIO: label_studio.write,
    Format.DOCCANO: doccano.write,
}
