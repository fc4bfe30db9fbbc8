"""One example of the event data: a sentence, the kinds of event it tells and the entities it names."""

from __future__ import annotations

import msgspec
from storyteller_schema.contract.enums import ActionType
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A span of the text that names somebody or something."""

    #: Where the span begins and ends (exclusive), in bytes of the text's UTF-8, as the engine's generator counts.
    start: int
    end: int
    #: The span itself, so that a reader can tell whether a file counts bytes or characters.
    text: str
    category: EntityCategory
    role: EntityRole
    #: Other categories that it may have as well, where the annotation does not say which.
    alternatives: list[EntityCategory] = []


class EventExample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of an event data file."""

    id: str
    text: str
    register: Register
    #: At least one, the first being the primary kind; empty where kinds were not annotated.
    event_kinds: list[EventKind]
    #: What the sentence's actor does, only where somebody acts.
    action_type: ActionType | None = None
    #: In order of their start, never overlapping.
    entities: list[Entity]
    #: The template the text was made from. Only this workspace's sample data has it; the engine's files do not.
    template: str | None = None
    #: False where nobody looked for kinds. The record then says nothing about them, and trains and judges none.
    kinds_annotated: bool = True
    #: The categories that somebody looked for; None for all. Where one is missing here, entities of it may be anywhere
    #: outside of the annotated ones.
    categories: list[EntityCategory] | None = None
    #: How much the sentence counts in training, as a multiple of an ordinary one.
    weight: float = 1.0
    #: True where the sentence is for training alone and is never held out, however few of its kind there are.
    train_only: bool = False
