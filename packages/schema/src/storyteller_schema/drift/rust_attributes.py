"""`#[cfg(..)]`: whether a default build compiles what stands under it.

A default build has the default features of the crate's Cargo.toml (none without one) and is no test, no doc build and
no run of Miri. What depends on anything else, the target or a build script, cannot be told from the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tree_sitter import Node

from storyteller_schema.drift.rust_syntax import text_of

#: Names that no ordinary build sets.
_NEVER_SET = frozenset({"test", "miri", "doc", "doctest", "rustfmt", "clippy"})
_TOKEN = re.compile(r'\s*(?://[^\n]*\n|/\*.*?\*/|("(?:[^"\\]|\\.)*")|(r#)?([A-Za-z_]\w*)|([=,()]))', re.DOTALL)


@dataclass(frozen=True)
class Build:
    """What a default build of a crate sets."""

    features: frozenset[str] = frozenset()
    #: Features that another crate of the same repository may switch on.
    contested: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Condition:
    """Under what something is compiled."""

    #: Whether a default build compiles it; None when that cannot be told.
    holds: bool | None = True
    #: Whether nothing but a test build compiles it.
    test_only: bool = False
    #: The attributes, as written.
    text: str = ""

    def __and__(self, other: Condition) -> Condition:
        held = (self.holds, other.holds)
        holds = False if False in held else None if None in held else True
        return Condition(holds, self.test_only or other.test_only, " ".join(filter(None, (self.text, other.text))))


ALWAYS = Condition()


def condition(attributes: Iterable[Node], build: Build) -> Condition:
    """Under what the thing is compiled that bears these attributes."""
    found = ALWAYS
    for item in attributes:
        found &= _of_attribute(item, build)
    return found


def inner_condition(body: Node, build: Build) -> Condition:
    """The same for `#![cfg(..)]` at the head of a file or a block."""
    return condition((node for node in body.named_children if node.type == "inner_attribute_item"), build)


def _of_attribute(item: Node, build: Build) -> Condition:
    attribute = item.named_children[0] if item.named_children else item
    name = text_of(attribute.named_children[0]) if attribute.named_children else ""
    arguments = attribute.child_by_field_name("arguments")
    text = text_of(item)
    if name == "cfg_attr":
        # It may add a cfg, or move a module to another file.
        hides = re.search(r"\b(cfg|path)\b", text.partition("cfg_attr")[2])
        return Condition(None, text=text) if hides else ALWAYS
    if name != "cfg":
        return ALWAYS
    predicate = (arguments.text or b"").decode(errors="replace") if arguments is not None else ""
    holds = _evaluate(predicate, build)
    whatever_is_set = _evaluate(predicate, None)
    return Condition(holds, holds is False and whatever_is_set is False, text)


def _evaluate(predicate: str, build: Build | None) -> bool | None:
    """The value of `(predicate)`; without a build, of everything but `test` it is open whether it is set."""
    try:
        tokens = _tokens(predicate)
        values, rest = _list(tokens[1:], build)
    except (IndexError, ValueError):
        return None  # of a form that is not understood
    return values[0] if len(values) == 1 and not rest else None


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(text)
        tokens += [part for part in (token[1], token[3], token[4]) if part]
        position = token.end()
    return tokens


def _list(tokens: list[str], build: Build | None) -> tuple[list[bool | None], list[str]]:
    """The values of `a, b)`, and the tokens behind it."""
    values = []
    while tokens[0] != ")":
        value, tokens = _predicate(tokens, build)
        values.append(value)
        if tokens[0] == ",":
            tokens = tokens[1:]
        elif tokens[0] != ")":
            raise ValueError(tokens[0])
    return values, tokens[1:]


def _predicate(tokens: list[str], build: Build | None) -> tuple[bool | None, list[str]]:
    name, following = tokens[0], tokens[1]
    if following == "=":
        return _setting(name, tokens[2], build), tokens[3:]
    if following != "(":
        return _flag(name, build), tokens[1:]
    values, rest = _list(tokens[2:], build)
    if name == "any":
        return True if True in values else None if None in values else False, rest
    if name == "all":
        return False if False in values else None if None in values else True, rest
    if name == "not" and len(values) == 1:
        return None if values[0] is None else not values[0], rest
    return None, rest


def _flag(name: str, build: Build | None) -> bool | None:
    if name in ("true", "false"):
        return name == "true"
    if name == "test":
        return False
    return False if build and name in _NEVER_SET else None


def _setting(name: str, value: str, build: Build | None) -> bool | None:
    feature = value.strip('"')
    if build is None or name != "feature":
        return None
    if feature in build.features:
        return True
    return None if feature in build.contested else False
