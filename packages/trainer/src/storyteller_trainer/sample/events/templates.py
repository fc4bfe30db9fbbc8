"""Reads event_templates.toml, written/*.toml and event_vocabulary.toml: sentences with slots, and what fills them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from random import Random
from typing import TypeVar

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import ActionType
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register

from storyteller_trainer.sample.events.markup import Piece, named, parse_markup

T = TypeVar("T")

#: How often a slot that has words and forms is filled with a form.
FORMS_SHARE = 0.6

_TOKEN = re.compile(r"\[[^]]*\]|\{[^}]*\}|[(|)]|[^][{}(|)]+|.", re.DOTALL)


# ---- the two files as they are written


class _Slot(msgspec.Struct, forbid_unknown_fields=True):
    words: list[str]
    forms: list[str] = []
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


class _Clause(msgspec.Struct, forbid_unknown_fields=True):
    phrase: str
    action: ActionType | None = None


class _Frames(msgspec.Struct, forbid_unknown_fields=True):
    register: Register
    clauses: dict[EventKind, _Clause]
    texts: list[str]


class _TemplateFile(msgspec.Struct, forbid_unknown_fields=True):
    templates: list[_Group]
    frames: list[_Frames] = []


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
    #: What the slot may be composed of, without entities; drawn in `FORMS_SHARE` of all cases.
    forms: tuple[tuple[Node, ...], ...] = ()

    def draw(self, into: Draw) -> None:
        """Adds a word that the sentence does not have yet; a list of one word may repeat."""
        composed = self.forms and (not self.words or into.rng.random() < FORMS_SHARE)
        word = self._composed(into) if composed else self._word(into)
        determiner = f"{into.rng.choice(self.determiners)} " if self.determiners else ""
        into.pieces.append(Piece(determiner + word, self.category, self.role))

    def _word(self, into: Draw) -> str:
        word = into.rng.choice([word for word in self.words if word not in into.used] or self.words)
        into.used.add(word)
        return word

    def _composed(self, into: Draw) -> str:
        part = Draw(into.rng, used=into.used)
        for node in into.rng.choice(self.forms):
            node.draw(part)
        return "".join(piece.text for piece in part.pieces)


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
        self._words: dict[str, Words] = {}
        self._phrases: dict[str, Choice] = {}
        for slot, entry in read.slots.items():
            if not entry.words and not entry.forms:
                raise StorytellerError(f"{name}: slots.{slot} has no words")
            for given in (entry.words, entry.forms):
                bad = [word for word in given if not word.strip() or given.count(word) > 1]
                if bad:
                    raise StorytellerError(
                        f"{name}: slots.{slot} has a word that is empty or stands there twice: {bad[0]!r}"
                    )
            # A form may hold the slots of plain words that stand before its own.
            forms = tuple(self._form(form, f"{name}: slots.{slot}") for form in entry.forms)
            self._words[slot] = Words(tuple(entry.words), entry.category, forms=forms)
        self._words |= {pronoun: Words((pronoun,), category) for pronoun, category in read.pronouns.items()}
        for slot, phrase in read.phrases.items():
            if slot in self._words or not phrase.phrases:
                raise StorytellerError(f"{name}: phrases.{slot} is empty or has the name of a slot")
            # A phrase may hold those that stand before it, so that none can hold itself.
            branches = tuple(parse_template(text, self, f"{name}: phrases.{slot}") for text in phrase.phrases)
            self._phrases[slot] = Choice(branches, tuple(phrase.kinds))

    def _form(self, text: str, where: str) -> tuple[Node, ...]:
        nodes = parse_template(text, self, where)
        if re.search(r"\[|\{[^}]*:", text):
            raise StorytellerError(f"{where}: {text!r}: a form is inside an entity and can hold no other")
        return nodes

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
        words = self._words[name]
        if words.category is None:
            if role or before:
                raise StorytellerError(f"{{{slot}}} needs no role and no determiner: its words are no entities")
            return words
        if not role:
            raise StorytellerError(f"{{{slot}}} needs a role, as in {{{name}:Target}}")
        return replace(words, role=named(EntityRole, role), determiners=tuple(before.split("/")) if before else ())


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


def parse_templates(contents: Mapping[str, bytes], vocabulary: Vocabulary) -> list[Template]:
    """The templates of some template files.

    Args:
        contents: what stands in each, by the name that errors call it.

    Raises:
        StorytellerError: naming the file, the group and the text that is wrong, or a kind that has no template.
    """
    templates: list[Template] = []
    texts: set[str] = set()
    numbers: dict[str, int] = {}
    for where, group in _groups(contents):
        if not group.kinds or len(set(group.kinds)) < len(group.kinds):
            raise StorytellerError(f"{where}: kinds is empty or names one twice: {[str(kind) for kind in group.kinds]}")
        for text in group.texts:
            if not text.strip() or text in texts:
                raise StorytellerError(f"{where}: {text!r} is empty or stands there twice")
            texts.add(text)
            series = f"{group.kinds[0]}.{group.register}"
            numbers[series] = numbers.get(series, 0) + 1
            nodes = parse_template(text, vocabulary, where)
            kinds = tuple(group.kinds)
            templates.append(Template(f"{series}.{numbers[series]}", kinds, group.register, group.action, nodes))
    for kind in EventKind:
        for register in Register:
            if f"{kind}.{register}" not in numbers:
                raise StorytellerError(
                    f"{', '.join(contents)}: no template with the primary kind {kind} in the register {register}"
                )
    return templates


def _groups(contents: Mapping[str, bytes]) -> Iterator[tuple[str, _Group]]:
    """All groups of the files, with the place of each."""
    for name, content in contents.items():
        read = _decode(content, _TemplateFile, name)
        yield from ((f"{name}: templates[{index}]", group) for index, group in enumerate(read.templates))
        yield from ((f"{name}: frames", group) for frames in read.frames for group in _framed(frames))


def _framed(frames: _Frames) -> Iterator[_Group]:
    """The frames with the clause of each kind in the place of `{main}`."""
    for kind, clause in frames.clauses.items():
        texts = [text.replace("{main}", f"{{{clause.phrase}}}") for text in frames.texts]
        yield _Group(kinds=[kind], register=frames.register, texts=texts, action=clause.action)


def load_templates() -> list[Template]:
    """The templates that the package brings along."""
    folder = files(__package__)
    vocabulary = Vocabulary(folder.joinpath("event_vocabulary.toml").read_bytes(), "event_vocabulary.toml")
    written = sorted(folder.joinpath("written").iterdir(), key=lambda file: file.name)
    contents = {file.name: file.read_bytes() for file in [folder.joinpath("event_templates.toml"), *written]}
    return parse_templates(contents, vocabulary)


def _decode(content: bytes, type_: type[T], name: str) -> T:
    try:
        return msgspec.toml.decode(content, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorytellerError(f"{name}: {error}") from error
