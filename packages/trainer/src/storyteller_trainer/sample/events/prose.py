"""The prose set: sentences written and annotated by hand, to see how a model does on what no template made.

It is for evaluation only. `prose/player.txt` and `prose/narrator.txt` hold a sentence a line, its kinds before it:

    SpeechAct+ActionOccurrence/Speak: “Enough,” said [Mara|CHARACTER:Actor], and shut the [book|OBJECT:Target].

The first kind is the primary one; an action type follows where somebody acts. Empty lines and lines that begin with
`#` say nothing.
"""

from __future__ import annotations

import re
from importlib.resources import files
from uuid import NAMESPACE_OID, uuid5

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import ActionType
from storyteller_schema.contract.events import EventKind, Register

from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.sample.events.markup import assemble, named, parse_markup

_LINE = re.compile(r"(?P<kinds>\w+(\+\w+)*)(/(?P<action>\w+))?: (?P<text>\S.*)")


def load_prose() -> list[EventExample]:
    """The whole prose set: the player's sentences, then the narrator's."""
    folder = files(__package__).joinpath("prose")
    return [
        example
        for register in Register
        for example in parse_prose(
            folder.joinpath(f"{register}.txt").read_text(encoding="utf-8"), register, f"{register}.txt"
        )
    ]


def parse_prose(content: str, register: Register, name: str) -> list[EventExample]:
    """The sentences of a prose file's content; `name` is how errors call it. Ids derive from the texts.

    Raises:
        StorytellerError: naming the file, the line and what is wrong with it.
    """
    examples: list[EventExample] = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            examples.append(_parse_line(line, register))
        except StorytellerError as error:
            raise StorytellerError(f"{name}:{number}: {error}") from error
    return examples


def _parse_line(line: str, register: Register) -> EventExample:
    match = _LINE.fullmatch(line)
    if match is None:
        raise StorytellerError(f"{line[:60]!r} is no Kind+Kind/Action: text")
    kinds = [named(EventKind, kind) for kind in match["kinds"].split("+")]
    if len(set(kinds)) < len(kinds):
        raise StorytellerError(f"names a kind twice: {match['kinds']}")
    text, entities = assemble(parse_markup(match["text"]))
    return EventExample(
        id=str(uuid5(NAMESPACE_OID, text)),
        text=text,
        register=register,
        event_kinds=kinds,
        action_type=named(ActionType, match["action"]) if match["action"] else None,
        entities=entities,
    )
