"""Reads event_templates.toml and event_vocabulary.toml: sentences with slots, and the words that fill them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from random import Random
from typing import TypeVar

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import ActionType
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register

from storyteller_trainer.sample.events.markup import Piece, named, parse_markup

T = TypeVar("T")

_TOKEN = re.compile(r"\[[^]]*\]|\{[^}]*\}|[(|)]|[^][{}(|)]+|.", re.DOTALL)


# ---- the two files as they are written


class _Slot(msgspec.Struct, forbid_unknown_fields=True):
    words: list[str]
    category: EntityCategory | None = None


class _Phrase(msgspec.Struct, forbid_unknown_fields=True):
    phrases: list[str]
    kinds: list[EventKind] = []


class _VocabularyFile(msgspec.Struct, forbid_unknown_fields=True):
    slots: dict[str, _Slot]
    pronouns: dict[str, EntityCategory]
    phrases: dict[str, _Phrase]


class _Group(msgspec.Struct, forbid_unknown_fields=True):
    kinds: list[EventKind]
    register: Register
    texts: list[str]
    action: ActionType | None = None


class _TemplateFile(msgspec.Struct, forbid_unknown_fields=True):
    templates: list[_Group]


# ---- the same, ready to draw from


@dataclass
class Draw:
    """A sentence in the making."""

    rng: Random
    pieces: list[Piece] = field(default_factory=list)
    #: Kinds that phrases added, in the order in which they were drawn.
    kinds: list[EventKind] = field(default_factory=list)
    #: Words already drawn: nobody is asked about himself, and no sentence names one thing twice.
    used: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Fixed:
    """Text that is always the same, with the entities marked in it."""

    pieces: tuple[Piece, ...]

    def draw(self, into: Draw) -> None:
        """Adds the text."""
        into.pieces += self.pieces


@dataclass(frozen=True)
class Words:
    """A slot filled with one word of a list; an entity where it has a category and a role."""

    words: tuple[str, ...]
    category: EntityCategory | None = None
    role: EntityRole | None = None
    #: One of them stands before the word, inside the entity.
    determiners: tuple[str, ...] = ()

    def draw(self, into: Draw) -> None:
        """Adds a word that the sentence does not have yet; a list of one word may repeat."""
        word = into.rng.choice([word for word in self.words if word not in into.used] or self.words)
        into.used.add(word)
        determiner = f"{into.rng.choice(self.determiners)} " if self.determiners else ""
        into.pieces.append(Piece(determiner + word, self.category, self.role))


@dataclass(frozen=True)
class Choice:
    """One of several continuations, each as likely as the others, that may add kinds to the sentence."""

    branches: tuple[tuple[Node, ...], ...]
    kinds: tuple[EventKind, ...] = ()

    def draw(self, into: Draw) -> None:
        """Adds one branch."""
        into.kinds += self.kinds
        for node in into.rng.choice(self.branches):
            node.draw(into)


Node = Fixed | Words | Choice


@dataclass(frozen=True)
class Template:
    """A sentence with slots."""

    #: Primary kind, register and number: `SpeechAct.player.3`.
    name: str
    kinds: tuple[EventKind, ...]
    register: Register
    action: ActionType | None
    nodes: tuple[Node, ...]


class Vocabulary:
    """What may stand in braces."""

    def __init__(self, content: bytes, name: str) -> None:
        """Reads the content of a vocabulary file; `name` is how errors call it.

        Raises:
            StorytellerError: naming the file, the place in it and what is wrong.
        """
        read = _decode(content, _VocabularyFile, name)
        self._name = name
        self._words = {slot: (tuple(entry.words), entry.category) for slot, entry in read.slots.items()}
        self._words |= {pronoun: ((pronoun,), category) for pronoun, category in read.pronouns.items()}
        for slot, (words, _) in self._words.items():
            if not words:
                raise StorytellerError(f"{name}: slots.{slot} has no words")
            bad = [word for word in words if not word.strip() or words.count(word) > 1]
            if bad:
                raise StorytellerError(
                    f"{name}: slots.{slot} has a word that is empty or stands there twice: {bad[0]!r}"
                )
        self._phrases: dict[str, Choice] = {}
        phrases: dict[str, Choice] = {}
        for slot, phrase in read.phrases.items():
            if slot in self._words or not phrase.phrases:
                raise StorytellerError(f"{name}: phrases.{slot} is empty or has the name of a slot")
            # The phrases are parsed while none is known yet, so that none can hold another.
            branches = tuple(parse_template(text, self, f"{name}: phrases.{slot}") for text in phrase.phrases)
            phrases[slot] = Choice(branches, tuple(phrase.kinds))
        self._phrases = phrases

    def node(self, slot: str) -> Node:
        """What `{slot}` draws from.

        Raises:
            StorytellerError: an unknown slot or role, an entity without a role, or a role without an entity.
        """
        words_before, _, role = slot.partition(":")
        before, _, name = words_before.rpartition(" ")
        if name in self._phrases and not role and not before:
            return self._phrases[name]
        if name not in self._words:
            raise StorytellerError(f"nothing to fill {{{slot}}} with; {self._name} has {sorted(self._words)}")
        words, category = self._words[name]
        if category is None:
            if role or before:
                raise StorytellerError(f"{{{slot}}} needs no role and no determiner: its words are no entities")
            return Words(words)
        if not role:
            raise StorytellerError(f"{{{slot}}} needs a role, as in {{{name}:Target}}")
        return Words(words, category, named(EntityRole, role), tuple(before.split("/")) if before else ())


def parse_template(text: str, vocabulary: Vocabulary, where: str) -> tuple[Node, ...]:
    """The nodes of a text with `{slots}`, `(a|b)` choices and `[entity|CATEGORY:Role]` markup.

    Raises:
        StorytellerError: naming `where`, the text and what is wrong with it.
    """

    def parse(tokens: Iterator[str], *, inside: bool) -> tuple[tuple[Node, ...], ...]:
        branches: list[tuple[Node, ...]] = [()]
        for token in tokens:
            if token == ")" and inside:
                return tuple(branches)
            if token == "|" and inside:
                branches.append(())
                continue
            if token == "(":
                node: Node = Choice(parse(tokens, inside=True))
            elif len(token) > 1 and token[0] == "{":
                node = vocabulary.node(token[1:-1])
            elif token in "{}()|":
                raise StorytellerError(f"{token!r} without its counterpart")
            else:
                node = Fixed(tuple(parse_markup(token)))
            branches[-1] += (node,)
        if inside:
            raise StorytellerError("'(' without its counterpart")
        return tuple(branches)

    try:
        return parse(iter(_TOKEN.findall(text)), inside=False)[0]
    except StorytellerError as error:
        raise StorytellerError(f"{where}: {text!r}: {error}") from error


def parse_templates(content: bytes, vocabulary: Vocabulary, name: str) -> list[Template]:
    """The templates of a template file's content; `name` is how errors call it.

    Raises:
        StorytellerError: naming the file, the group and the text that is wrong.
    """
    templates: list[Template] = []
    texts: set[str] = set()
    numbers: dict[str, int] = {}
    for index, group in enumerate(_decode(content, _TemplateFile, name).templates):
        where = f"{name}: templates[{index}]"
        if not group.kinds or len(set(group.kinds)) < len(group.kinds):
            raise StorytellerError(f"{where}: kinds is empty or names one twice: {[str(kind) for kind in group.kinds]}")
        for text in group.texts:
            if not text.strip() or text in texts:
                raise StorytellerError(f"{where}: {text!r} is empty or stands in the file twice")
            texts.add(text)
            series = f"{group.kinds[0]}.{group.register}"
            numbers[series] = numbers.get(series, 0) + 1
            nodes = parse_template(text, vocabulary, where)
            kinds = tuple(group.kinds)
            templates.append(Template(f"{series}.{numbers[series]}", kinds, group.register, group.action, nodes))
    for kind in EventKind:
        for register in Register:
            if f"{kind}.{register}" not in numbers:
                raise StorytellerError(f"{name}: no template with the primary kind {kind} in the register {register}")
    return templates


def load_templates() -> list[Template]:
    """The templates that the package brings along."""
    folder = files(__package__)
    vocabulary = Vocabulary(folder.joinpath("event_vocabulary.toml").read_bytes(), "event_vocabulary.toml")
    return parse_templates(folder.joinpath("event_templates.toml").read_bytes(), vocabulary, "event_templates.toml")


def _decode(content: bytes, type_: type[T], name: str) -> T:
    try:
        return msgspec.toml.decode(content, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorytellerError(f"{name}: {error}") from error
