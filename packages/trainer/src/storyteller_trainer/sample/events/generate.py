"""Makes event data from templates: sentences whose kinds and entities are known because they were put there."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, atomic_path, write_atomic
from storyteller_schema.contract.events import EventKind, Register

from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.skeleton import skeleton
from storyteller_trainer.sample.events.markup import Piece, assemble
from storyteller_trainer.sample.events.templates import Draw, Template, load_templates

#: Players type in a hurry: this share of their texts is in lower case, and this share has no full stop.
LOWER_CASE_SHARE = 0.1
NO_FULL_STOP_SHARE = 0.15
#: This share of the texts with speech in them has straight quotation marks.
STRAIGHT_QUOTES_SHARE = 0.5
#: This share of all texts is written as the engine's own generator writes: no full stop at the end, speech in straight
#: single quotes, and a sentence that opens with a noun phrase has no capital ("the old man turned away").
ENGINE_STYLE_SHARE = 0.3
#: Draws of one template before it is taken to have nothing new to say.
ATTEMPTS = 12

_STRAIGHT = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'"})
_SINGLE = str.maketrans(dict.fromkeys("“”‘’", "'"))
_ARTICLE = re.compile(r"(?:^|\W)[Aa] $")
_ARTICLE_OF_WORD = re.compile(r"^([Aa])(?= (?:[aeiouAEIOU]|hour))")
_OPENING_DETERMINER = re.compile(r"^(?:The|An?|My|Some|All|No) ")
_VOWEL = re.compile(r"[aeiouAEIOU]|hour")
_SENTENCE_START = re.compile(r"^“?$|[.!?] “?$|[:,] “$")


@dataclass(frozen=True)
class EventData:
    """What a run of the generator made."""

    examples: list[EventExample]
    #: Texts drawn, those thrown away because an earlier one had said the same included.
    drawn: int
    seed: int

    def manifest(self, content_hash: str) -> dict[str, Any]:
        """Counts by primary kind and by register, where the data comes from, and of which file this is said.

        Args:
            content_hash: SHA-256, hex, of the file's bytes.
        """
        return {
            "content_hash": content_hash,
            "total_generated": self.drawn,
            "total_valid": len(self.examples),
            "total_rejected": self.drawn - len(self.examples),
            "per_event_kind": _count(EventKind, [example.event_kinds[0] for example in self.examples]),
            "per_register": _count(Register, [example.register for example in self.examples]),
            "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": self.seed,
        }


def generate(per_kind: int, seed: int) -> EventData:
    """`per_kind` examples for each primary kind, half of them in each register, in random order.

    Every template of a kind and register is used as often as the others, give or take one, as long as it has something
    new to say: no two texts are the same but for case and punctuation, and no two templates yield the same skeleton.
    The same seed gives the same examples.

    Raises:
        StorytellerError: the templates cannot make that many different texts.
    """
    rng = Random(seed)
    templates = load_templates()
    source = _Source(rng)
    examples: list[EventExample] = []
    for kind in EventKind:
        for register in Register:
            # Of an odd number the player gets one more.
            wanted = (per_kind + (register is Register.PLAYER)) // 2
            chosen = [t for t in templates if t.kinds[0] is kind and t.register is register]
            made = _in_turns(source, chosen, wanted)
            if len(made) < wanted:
                raise StorytellerError(
                    f"the {len(chosen)} templates of {kind} in the register {register} make {len(made)} different "
                    f"texts, not {wanted}; ask for fewer examples of a kind than {per_kind}"
                )
            examples += made
    rng.shuffle(examples)
    return EventData(examples, source.drawn, seed)


def _in_turns(source: _Source, templates: Sequence[Template], wanted: int) -> list[EventExample]:
    """At most `wanted` texts, each template's turn coming as often as the others' while it has something new to say."""
    made: list[EventExample] = []
    left = list(templates)
    while left and len(made) < wanted:
        for template in source.rng.sample(left, len(left)):
            if len(made) == wanted:
                break
            if example := source.new(template):
                made.append(example)
            else:
                left.remove(template)
    return made


class _Source:
    """Draws texts that no earlier draw has said."""

    def __init__(self, rng: Random) -> None:
        self.drawn = 0
        self.rng = rng
        self._texts: set[str] = set()
        self._owners: dict[str, str] = {}

    def new(self, template: Template) -> EventExample | None:
        """A text of this template, or None when many draws have brought nothing new."""
        for _ in range(ATTEMPTS):
            self.drawn += 1
            example = draw_example(template, self.rng)
            text = re.sub(r"\W+", " ", example.text.casefold()).strip()
            owner = self._owners.setdefault(skeleton(example.text, example.entities), template.name)
            if text not in self._texts and owner == template.name:
                self._texts.add(text)
                return example
        return None


def draw_example(template: Template, rng: Random) -> EventExample:
    """One sentence of a template; its id comes from the random numbers too."""
    draw = Draw(rng)
    for node in template.nodes:
        node.draw(draw)
    text, entities = assemble(_polish(draw.pieces, template.register, rng))
    return EventExample(
        id=str(UUID(int=rng.getrandbits(128), version=4)),
        text=text,
        register=template.register,
        event_kinds=list(dict.fromkeys([*template.kinds, *draw.kinds])),
        action_type=template.action,
        entities=entities,
        template=template.name,
    )


def _polish(drawn: Sequence[Piece], register: Register, rng: Random) -> list[Piece]:
    """Capitals and articles as the words call for them, and the habits of whoever types."""
    pieces: list[Piece] = []
    before = ""
    for piece in drawn:
        if not piece.text:
            continue
        if _ARTICLE.search(before) and _VOWEL.match(piece.text):
            pieces[-1] = pieces[-1]._replace(text=pieces[-1].text[:-1] + "n ")
        if _SENTENCE_START.search(before):
            piece = _edit(piece, lambda text: text[0].upper() + text[1:])
        piece = _edit(piece, lambda text: _ARTICLE_OF_WORD.sub(r"\1n", text))
        pieces.append(piece)
        before += piece.text
    if rng.random() < ENGINE_STYLE_SHARE:
        return _as_the_engine(pieces)
    if rng.random() < STRAIGHT_QUOTES_SHARE:
        pieces = [_edit(piece, lambda text: text.translate(_STRAIGHT)) for piece in pieces]
    if register is Register.PLAYER:
        if rng.random() < LOWER_CASE_SHARE:
            pieces = [_edit(piece, str.lower) for piece in pieces]
        if rng.random() < NO_FULL_STOP_SHARE and pieces[-1].category is None:
            pieces[-1] = _edit(pieces[-1], _without_full_stop)
    return [piece for piece in pieces if piece.text]


def _as_the_engine(pieces: Sequence[Piece]) -> list[Piece]:
    """The same sentence in the engine's own spelling; see `ENGINE_STYLE_SHARE`."""
    first, *others = (_edit(piece, lambda text: text.translate(_SINGLE)) for piece in pieces)
    if first.category is not None:
        first = _edit(first, lambda text: _OPENING_DETERMINER.sub(lambda opening: opening[0].lower(), text))
    pieces = [first, *others]
    if pieces[-1].category is None:
        pieces[-1] = _edit(pieces[-1], _without_full_stop)
    return [piece for piece in pieces if piece.text]


def _without_full_stop(text: str) -> str:
    """Three full stops are no full stop."""
    return text if text.endswith("..") else text.removesuffix(".")


def _edit(piece: Piece, change: Callable[[str], str]) -> Piece:
    return piece._replace(text=change(piece.text))


def write_events(path: StrPath, data: EventData) -> Path:
    """Writes the examples as JSONL and, beside them, the manifest; both whole or not at all.

    Both are complete under temporary names before either is renamed into place. Killed between the two, this leaves an
    old manifest, which by its hash is of another file.

    Returns:
        The path of the manifest, `NAME.manifest.json`.
    """
    path = Path(path)
    place = path.with_suffix(".manifest.json")
    content = msgspec.json.Encoder().encode_lines(data.examples)
    manifest = data.manifest(hashlib.sha256(content).hexdigest())
    with atomic_path(place) as manifest_temporary, atomic_path(path) as temporary:
        temporary.write_bytes(content)
        manifest_temporary.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return place


def write_examples(path: StrPath, examples: Sequence[EventExample]) -> None:
    """Writes examples as JSONL, one object a line, whole or not at all."""
    write_atomic(path, msgspec.json.Encoder().encode_lines(examples))


def summary(examples: Sequence[EventExample]) -> dict[str, dict[str, float]]:
    """For each kind: how many examples tell it, and what they are made of.

    `entities` and `bytes` are means per example; `all` counts an example with several kinds once.
    """
    rows = {kind: [example for example in examples if kind in example.event_kinds] for kind in EventKind}
    result: dict[str, dict[str, float]] = {}
    for name, chosen in [*rows.items(), ("all", list(examples))]:
        result[str(name)] = {
            "examples": len(chosen),
            "primary": len(chosen) if name == "all" else sum(example.event_kinds[0] == name for example in chosen),
            **_count(Register, [example.register for example in chosen]),
            "templates": len({example.template for example in chosen if example.template}),
            "skeletons": len({skeleton(example.text, example.entities) for example in chosen}),
            "entities": round(sum(len(example.entities) for example in chosen) / max(1, len(chosen)), 2),
            "bytes": round(sum(len(example.text.encode()) for example in chosen) / max(1, len(chosen)), 1),
        }
    return result


def _count(labels: type[EventKind] | type[Register], values: Sequence[str]) -> dict[str, int]:
    counted = Counter(values)
    return {str(label): counted[label] for label in labels}
