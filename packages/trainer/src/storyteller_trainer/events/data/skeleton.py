"""When two sentences are the same, and when they say the same thing: by their text, and by what is left of it when the
entities are taken out."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from storyteller_trainer.events.data.example import Entity, EventExample


def skeleton(text: str, entities: Sequence[Entity]) -> str:
    """The text with every entity replaced by `<category>`, in lower case, white space runs made one blank.

    `entities` count in bytes of UTF-8; they may come in any order and must not overlap.
    """
    source = text.encode()
    parts: list[bytes] = []
    position = 0
    for entity in sorted(entities, key=lambda entity: entity.start):
        parts += [source[position : entity.start], f"<{entity.category}>".encode()]
        position = entity.end
    parts.append(source[position:])
    return " ".join(b"".join(parts).decode().lower().split())


def text_key(text: str) -> str:
    """Equal for texts that a reader takes for the same: however accents are composed, and whatever blanks surround it.

    Upper and lower case differ, as they do for the models that see case.
    """
    return unicodedata.normalize("NFC", text).strip()


def split_group(example: EventExample) -> str:
    """What must stay on one side of a skeleton split: the template where the data names it, else the skeleton.

    A template with a choice of verbs yields many skeletons that differ in one word. To test on one of them and train
    on the rest would measure little; where the template is known it is held out as a whole. No two templates of the
    sample data share a skeleton, so equal skeletons stay together either way.
    """
    return example.template or skeleton(example.text, example.entities)
