"""IOB2 columns: a token a line, its label in the last column (or another one), an empty line between sentences.

The text is put together from its tokens, so its blanks are ours; offsets are characters of that text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic

from storyteller_trainer.annotations.document import Document, DropLog, Mention
from storyteller_trainer.annotations.text_files import read_text
from storyteller_trainer.events.data.example import EventExample

#: No blank stands before, or after, these tokens. A straight quotation mark opens and closes in turn.
_CLOSING = re.compile(r"(?:[,.;:!?)\]}”’…%]|n['’]t|['’](?:s|m|d|re|ve|ll|S))$|^\.\.+$", re.IGNORECASE)
_OPENING = re.compile(r"^[(\[{“‘$#]$")
_LABEL = re.compile(r"O|[BIES]-\S+")
_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def read(path: Path, drops: DropLog, *, column: int | None = None) -> list[Document]:
    """The sentences of a file.

    Args:
        column: of the label, counted from 1; None for the last.

    Raises:
        StorytellerError: a line has too few columns, or its label is none of IOB2.
    """
    documents: list[Document] = []
    rows: list[tuple[str, str]] = []
    first = 1
    for number, line in enumerate([*read_text(path).splitlines(), ""], start=1):
        columns = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or columns[0] == "-DOCSTART-":
            if rows:
                documents.append(_document(rows, f"{path}:{first}", drops))
            rows, first = [], number + 1
            continue
        place = (column or len(columns)) - 1
        if len(columns) < 2 or not 0 < place < len(columns):
            raise StorytellerError(f"{path}:{number}: {line[:60]!r} has no label in column {place + 1}")
        label = columns[place].strip()
        if not _LABEL.fullmatch(label):
            raise StorytellerError(
                f"{path}:{number}: {label!r} is no IOB2 label; O, B-NAME or I-NAME is expected (--column names another)"
            )
        rows.append((columns[0].strip(), label))
    return documents


def _document(rows: list[tuple[str, str]], place: str, drops: DropLog) -> Document:
    document = Document(place, "")
    quoted = False
    glue = True  # no blank before the next token
    name, start, end = "", 0, 0  # of the open entity
    for token, label in [*rows, ("", "O")]:
        closes = bool(_CLOSING.search(token)) or (token == '"' and quoted)
        prefix, _, own = label.partition("-")
        if name and not (prefix in ("I", "E") and own == name):
            document.mentions.append(Mention(start, end, name, document.text[start:end]))
            name = ""
        if token and not glue and not closes:
            document.text += " "
        if own and not name:
            if prefix in ("I", "E"):
                drops.add("I- that continues nothing: taken for B-", place, f"{token} {label}")
            name, start = own, len(document.text)
        document.text += token
        end = len(document.text)
        glue = bool(_OPENING.match(token)) or (token == '"' and not quoted)
        quoted ^= token == '"'
    return document


def write(examples: Sequence[EventExample], path: Path) -> list[str]:
    """Writes two columns, token and label; says what the format has no place for."""
    lines = []
    for example in examples:
        source = example.text.encode()
        starts = {entity.start: entity for entity in example.entities}
        pieces: list[tuple[str, str]] = []
        position = 0
        for entity in [*sorted(starts.values(), key=lambda entity: entity.start), None]:
            end = len(source) if entity is None else entity.start
            pieces += [(word, "O") for word in _WORDS.findall(source[position:end].decode())]
            if entity is not None:
                words = _WORDS.findall(entity.text)
                pieces += [(w, f"{'I' if n else 'B'}-{entity.category}") for n, w in enumerate(words)]
                position = entity.end
        lines += [f"{word}\t{label}\n" for word, label in pieces] + ["\n"]
    write_atomic(path, "".join(lines))
    return ["IOB2 has no labels of whole texts: the event kinds were left out; blanks are not kept"]
