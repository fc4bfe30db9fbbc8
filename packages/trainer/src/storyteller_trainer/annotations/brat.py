"""brat's standoff format: NAME.txt, and NAME.ann with lines like `T1<tab>PER 0 4<tab>Mara`. Offsets count characters.

Only text-bound annotations (`T`) are read; there is no place for relations, events, attributes and notes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic
from storyteller_schema.contract.spans import TextOffsets

from storyteller_trainer.annotations.document import Document, DropLog, Mention
from storyteller_trainer.annotations.text_files import read_text
from storyteller_trainer.events.data.example import EventExample

_LINE = re.compile(r"T\S*\t(?P<label>\S+) (?P<pieces>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<text>.*))?")


def read(path: Path, drops: DropLog) -> list[Document]:
    """The documents of a folder, or the one of a .ann or .txt file.

    Raises:
        StorytellerError: there are none, a file of a pair is missing, or a line is no standoff annotation.
    """
    texts = sorted(path.rglob("*.txt")) if path.is_dir() else [path.with_suffix(".txt")]
    if not texts:
        raise StorytellerError(f"{path}: the folder holds no .txt files; brat keeps a .txt and a .ann a document")
    documents = []
    for text_file in texts:
        annotation = text_file.with_suffix(".ann")
        if not annotation.is_file():
            if path.is_dir():
                drops.add("a text without annotation", str(text_file), f"there is no {annotation.name}")
                continue
            raise StorytellerError(f"{annotation}: no such file; brat keeps the annotation of {text_file.name} there")
        documents.append(_document(text_file, annotation, drops))
    return documents


def _document(text_file: Path, annotation: Path, drops: DropLog) -> Document:
    document = Document(str(annotation), read_text(text_file))
    for number, line in enumerate(read_text(annotation).splitlines(), start=1):
        if not line.startswith("T"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise StorytellerError(f"{annotation}:{number}: {line[:60]!r} is no `T1<tab>LABEL start end<tab>text`")
        pieces = [tuple(map(int, piece.split())) for piece in match["pieces"].split(";")]
        if len(pieces) > 1:
            drops.add("in several pieces: no span can be", f"{annotation}:{number}", line)
            continue
        start, end = pieces[0]
        document.mentions.append(Mention(start, end, match["label"], match["text"]))
    return document


def write(examples: Sequence[EventExample], path: Path) -> list[str]:
    """Writes NAME.txt, a sentence a line, and NAME.ann beside it; says what the format has no place for."""
    lines, position, number = [], 0, 0
    for example in examples:
        to_character = TextOffsets(example.text).to_character
        for entity in example.entities:
            number += 1
            start, end = (position + to_character(offset) for offset in (entity.start, entity.end))
            text = re.sub(r"[\r\n\t]", " ", entity.text)
            lines.append(f"T{number}\t{entity.category} {start} {end}\t{text}\n")
        position += len(example.text) + 1
    write_atomic(path.with_suffix(".txt"), "".join(re.sub(r"[\r\n]", " ", e.text) + "\n" for e in examples))
    write_atomic(path.with_suffix(".ann"), "".join(lines))
    return ["brat has no labels of whole texts here: the event kinds were left out"]
