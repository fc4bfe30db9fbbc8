"""doccano's JSONL, and JSONL like it: `{"text": ..., "label": [[0, 4, "PER"]]}`.

Entities stand in `label`, `labels` or `entities`, as lists [start, end, label] or as objects with `start`, `end` (or
`start_offset`, `end_offset`), `label` (or `category`) and perhaps `text`. Labels of the whole text stand in `cats`,
`kinds` or `event_kinds`. doccano counts characters; a file with the texts of its entities shows what it counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic
from storyteller_schema.contract.spans import TextOffsets

from storyteller_trainer.annotations.document import Document, Mention
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.reading.jsonl import numbered_lines

_ENTITIES = ("entities", "label", "labels")
_KINDS = ("event_kinds", "cats", "kinds")


def read(path: Path) -> list[Document]:
    """The lines of a file, plain or gzip.

    Raises:
        StorytellerError: a line is no JSON object with a text, or an entity has no place or no label.
    """
    documents = []
    for number, line in numbered_lines(path):
        place = f"{path}:{number}"
        try:
            documents.append(_document(json.loads(line), place))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise StorytellerError(
                f"{place}: not as doccano writes it ({error!r}); "
                'a line like {"text": "Mara waits", "label": [[0, 4, "PER"]]} is expected'
            ) from error
    return documents


def _document(record: dict[str, Any], place: str) -> Document:
    text = record["text"]
    if not isinstance(text, str):
        raise TypeError("text is no string")
    document = Document(place, text)
    for entity in next((record[key] for key in _ENTITIES if isinstance(record.get(key), list)), []):
        if isinstance(entity, dict):
            start = entity["start_offset"] if "start_offset" in entity else entity["start"]
            end = entity["end_offset"] if "end_offset" in entity else entity["end"]
            label = entity["label"] if "label" in entity else entity["category"]
            document.mentions.append(Mention(int(start), int(end), str(label), entity.get("text")))
        else:
            start, end, label = entity
            document.mentions.append(Mention(int(start), int(end), str(label)))
    kinds = next((record[key] for key in _KINDS if isinstance(record.get(key), list)), None)
    document.kinds = None if kinds is None else list(map(str, kinds))
    return document


def write(examples: Sequence[EventExample], path: Path) -> list[str]:
    """Writes a line for each example; says what the format has no place for."""
    write_atomic(path, "".join(json.dumps(record(e), ensure_ascii=False) + "\n" for e in examples))
    return []


def record(example: EventExample, meta: dict[str, Any] | None = None) -> dict[str, Any]:
    """One line, offsets in characters; `cats` holds the event kinds."""
    to_character = TextOffsets(example.text).to_character
    label = [[to_character(e.start), to_character(e.end), e.category.value] for e in example.entities]
    return {"text": example.text, "label": label, "cats": list(example.event_kinds), "id": example.id, **(meta or {})}
