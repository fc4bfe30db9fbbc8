"""Rust text as a syntax tree, with limits: what is larger, deeper or no UTF-8 cannot be judged, and says where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter_rust
from tree_sitter import Language, Node, Parser

from storyteller_schema.common.errors import StorytellerError

#: A source file larger than this is generated data; the contract stands in files of some 10 KB.
MAX_FILE_BYTES = 4 * 2**20
#: Levels of the syntax tree. Hand-written Rust stays below 100; Python's own stack ends at about 1000.
MAX_DEPTH = 256


class Unreadable(StorytellerError):
    """A piece of Rust that is there but is not of a form that is understood here; says which and why."""


class Unjudged(StorytellerError):
    """Rust of which nobody can say what a build makes of it: rustc refuses it, or more than the text decides."""


@dataclass(frozen=True)
class Place:
    """Where a declaration stands."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def parse(content: bytes, path: Path) -> Node:
    """The root of the syntax tree. A part that is no Rust is a node of type ERROR.

    Raises:
        Unjudged: the file is too deep, or not UTF-8.
    """
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unjudged(f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8, so rustc refuses it") from error
    root = Parser(Language(tree_sitter_rust.language())).parse(content).root_node
    _check_depth(root, path)
    return root


def _check_depth(root: Node, path: Path) -> None:
    """By a cursor, not by recursion: that is what too deep a tree would break."""
    cursor, depth = root.walk(), 0
    while True:
        if cursor.goto_first_child():
            depth += 1
            if depth > MAX_DEPTH:
                line = cursor.node.start_point.row + 1 if cursor.node else 1
                raise Unjudged(f"{path}:{line}: nested deeper than {MAX_DEPTH} levels")
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            depth -= 1


def first_error(root: Node, path: Path) -> Place | None:
    """Where the text stops being Rust, if it does."""
    if not root.has_error:
        return None
    node = root
    while not (node.is_error or node.is_missing):
        broken = [child for child in node.children if child.has_error or child.is_missing]
        if not broken:
            break
        node = broken[0]
    return place_of(node, path)


def place_of(node: Node, path: Path) -> Place:
    """The line on which a node begins."""
    return Place(path, node.start_point.row + 1)


def text_of(node: Node) -> str:
    """The source of a node in one line."""
    return " ".join((node.text or b"").decode(errors="replace").split())


def meaningful(node: Node) -> list[Node]:
    """The children that carry meaning: no punctuation, no comments, no attributes."""
    skipped = ("line_comment", "block_comment", "attribute_item", "inner_attribute_item")
    return [child for child in node.named_children if child.type not in skipped]


def attributed(node: Node) -> Iterator[tuple[Node, list[Node]]]:
    """Every child that carries meaning, with the attributes that stand before it."""
    attributes: list[Node] = []
    for child in node.named_children:
        if child.type == "attribute_item":
            attributes.append(child)
        elif child.type not in ("line_comment", "block_comment", "inner_attribute_item"):
            yield child, attributes
            attributes = []


def of_type(node: Node, kind: str) -> Iterator[Node]:
    """Every descendant of a kind, in order of the text."""
    for child in node.named_children:
        if child.type == kind:
            yield child
        yield from of_type(child, kind)


def child_of(node: Node, name: str) -> Node:
    """The child in that role.

    Raises:
        Unreadable: there is none, as in broken source.
    """
    child = node.child_by_field_name(name)
    if child is None:
        raise Unreadable(f"`{text_of(node)}` has no {name}")
    return child
