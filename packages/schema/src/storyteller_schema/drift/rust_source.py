"""Finds constants, label arrays, enums and one-hot functions in Rust source text; `rust_values.py` evaluates them.

The text is parsed by tree-sitter, so comments, attributes, line breaks and visibility do not matter. Nothing is
compiled: what a macro generates is not seen. Code under `#[cfg(test)]` and in test folders is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter_rust
from tree_sitter import Language, Node, Parser

from storyteller_schema.common.errors import StorytellerError

#: Folders that hold no part of the engine itself: build output, and code that only exercises it.
SKIPPED_FOLDERS = frozenset({"target", "tests", "benches", "examples", "node_modules"})
#: Our own drop-in, in the engine or here: its lists are this workspace's, not the engine's.
SKIPPED_FILES = frozenset({"export_feature_schema.rs"})
#: A pattern that names one variant: `Variant`, `Enum::Variant`, `&path::Enum::Variant { .. }`; groups: enum, variant.
_VARIANT = re.compile(r"&?\s*(?:\w+\s*::\s*)*?(?:(\w+)\s*::\s*)?([A-Z]\w*)\s*(?:\{\s*\.\.\s*\}|\(\s*(?:\.\.|_)\s*\))?")


class Unreadable(StorytellerError):
    """A piece of Rust that is there but is not of a form this module understands; says which and why."""


@dataclass(frozen=True)
class Place:
    """Where a declaration stands."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Constant:
    """`const NAME: TYPE = VALUE;` or a static; in an `impl Type` the name is `Type::NAME`."""

    name: str
    place: Place
    value: Node

    @property
    def text(self) -> str:
        """The expression as written, in one line."""
        return text_of(self.value)


@dataclass(frozen=True)
class RustEnum:
    """An enum and its variants."""

    name: str
    place: Place
    #: Variant name to discriminant expression, in order of declaration.
    variants: dict[str, Node | None]


@dataclass(frozen=True)
class OneHotFunction:
    """A function named `one_hot...` and the arms of its match that read `Enum::Variant => [numbers]`."""

    name: str
    place: Place
    #: The type names that the arms or the parameters mention.
    types: frozenset[str]
    arms: dict[str, tuple[float, ...]]
    #: Arms of any other form, as written.
    unread: tuple[str, ...]


def _is_engine_file(name: str) -> bool:
    return name.endswith(".rs") and name not in SKIPPED_FILES


def text_of(node: Node) -> str:
    """The source of a node in one line."""
    return " ".join((node.text or b"").decode(errors="replace").split())


def meaningful(node: Node) -> list[Node]:
    """The children that carry meaning: no punctuation, no comments, no attributes."""
    skipped = ("line_comment", "block_comment", "attribute_item")
    return [child for child in node.named_children if child.type not in skipped]


def _of_type(node: Node, kind: str) -> Iterator[Node]:
    """Every descendant of a kind, in order of the text."""
    for child in node.named_children:
        if child.type == kind:
            yield child
        yield from _of_type(child, kind)


def child_of(node: Node, name: str) -> Node:
    """The child in that role.

    Raises:
        Unreadable: there is none, as in broken source.
    """
    child = node.child_by_field_name(name)
    if child is None:
        raise Unreadable(f"`{text_of(node)}` has no {name}")
    return child


@dataclass
class RustSource:
    """Everything of interest that was declared in a tree of Rust files."""

    root: Path
    files: list[Path] = field(default_factory=list)
    #: By name: a name may be declared in several files.
    constants: dict[str, list[Constant]] = field(default_factory=dict)
    enums: list[RustEnum] = field(default_factory=list)
    one_hots: list[OneHotFunction] = field(default_factory=list)

    @classmethod
    def read(cls, root: Path) -> RustSource:
        """Reads every `.rs` file at or below `root`.

        Raises:
            StorytellerError: `root` is not a folder, holds no Rust, or a file cannot be read.
        """
        if not root.is_dir():
            raise StorytellerError(f"{root}: not a folder; expected the root of a Rust repository")
        source = cls(root)
        parser = Parser(Language(tree_sitter_rust.language()))
        for folder, names, files in os.walk(root):
            names[:] = sorted(name for name in names if name not in SKIPPED_FOLDERS and not name.startswith("."))
            for path in sorted(Path(folder, name) for name in files if _is_engine_file(name)):
                try:
                    tree = parser.parse(path.read_bytes())
                except OSError as error:
                    raise StorytellerError(f"{path}: cannot be read: {error.strerror}") from error
                source.files.append(path.relative_to(root))
                source._collect(tree.root_node, path.relative_to(root), owner=None)
        if not source.files:
            raise StorytellerError(f"{root}: no Rust file (.rs) at or below it; expected the root of a Rust repository")
        return source

    def _collect(self, items: Node, path: Path, owner: str | None) -> None:
        """Files the declarations of a file, a module or an impl block."""
        attributes: list[str] = []
        for item in items.named_children:
            if item.type == "attribute_item":
                attributes.append(text_of(item))
                continue
            if item.type in ("line_comment", "block_comment"):
                continue
            only_in_tests = any(re.search(r"\bcfg\b.*(?<!not\()\btest\b", text) for text in attributes)
            attributes.clear()
            if not only_in_tests:
                self._file(item, Place(path, item.start_point.row + 1), owner)

    def _file(self, item: Node, place: Place, owner: str | None) -> None:
        name_node = item.child_by_field_name("name")
        name = text_of(name_node) if name_node else ""
        body = item.child_by_field_name("body")
        value = item.child_by_field_name("value")
        if item.type in ("const_item", "static_item") and value:
            qualified = f"{owner}::{name}" if owner else name
            self.constants.setdefault(qualified, []).append(Constant(qualified, place, value))
        elif item.type == "enum_item" and body:
            variants = list(_of_type(body, "enum_variant"))
            numbered = {
                text_of(child_of(variant, "name")): variant.child_by_field_name("value") for variant in variants
            }
            self.enums.append(RustEnum(name, place, numbered))
        elif item.type == "function_item" and body and re.match(r"one_hot(_|$)", name):
            self.one_hots.append(_one_hot(item, name, place, owner))
        elif item.type == "mod_item" and body:
            self._collect(body, place.path, owner=None)
        elif item.type == "impl_item" and body:
            self._collect(body, place.path, owner=text_of(child_of(item, "type")))

    def find(self, name: str, path: Path) -> Constant:
        """The constant of that name, preferably declared in `path`.

        Raises:
            Unreadable: there is none, or there are several elsewhere with different expressions.
        """
        declared = self.constants.get(name, [])
        nearest = [constant for constant in declared if constant.place.path == path] or declared
        if not nearest:
            raise Unreadable(f"`{name}` is not declared in the Rust that was read")
        if len({constant.text for constant in nearest}) > 1:
            places = ", ".join(str(constant.place) for constant in nearest)
            raise Unreadable(f"`{name}` is declared more than once: {places}")
        return nearest[0]


def _one_hot(function: Node, name: str, place: Place, owner: str | None) -> OneHotFunction:
    types = {text_of(node) for node in _of_type(child_of(function, "parameters"), "type_identifier")}
    arms: dict[str, tuple[float, ...]] = {}
    unread: list[str] = []
    for arm in _of_type(child_of(function, "body"), "match_arm"):
        path = _VARIANT.fullmatch(text_of(child_of(arm, "pattern")))
        numbers = _numbers(child_of(arm, "value"))
        if path is None or numbers is None:
            unread.append(text_of(arm).rstrip(","))
            continue
        arms[path[2]] = numbers
        if path[1]:
            types.add(path[1])
    if owner:
        types.add(owner)
    return OneHotFunction(name, place, frozenset(types - {"Self"}), arms, tuple(unread))


def _numbers(value: Node) -> tuple[float, ...] | None:
    """The elements of `[1.0, 0.0]`, also inside `{ }`; None for anything else."""
    while value.type in ("block", "expression_statement") and len(meaningful(value)) == 1:
        value = meaningful(value)[0]
    if value.type != "array_expression" or value.child_by_field_name("length"):
        return None
    literals = [re.sub(r"_|f32|f64", "", text_of(element)) for element in meaningful(value)]
    if not all(re.fullmatch(r"\d+\.?\d*", literal) for literal in literals):
        return None
    return tuple(float(literal) for literal in literals)
