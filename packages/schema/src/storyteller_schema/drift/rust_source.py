"""Finds constants, enums and one-hot functions in a Rust repository, module by module.

The text is parsed by tree-sitter, so comments, line breaks and visibility do not matter. Nothing is compiled: what a
macro generates is not seen. Modules are followed as rustc follows them, from lib.rs and main.rs; a crate without
either, and a file that no `mod` leads to, has the module path that its place suggests.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tree_sitter import Node

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.drift.rust_attributes import ALWAYS, Build, Condition, condition, inner_condition
from storyteller_schema.drift.rust_crates import Crate, find_crates, find_files, read_bytes
from storyteller_schema.drift.rust_syntax import (
    Place,
    Unjudged,
    attributed,
    child_of,
    first_error,
    parse,
    place_of,
    text_of,
)

#: Reading a repository of a million lines takes some 10 s.
MAX_SECONDS = 60.0
#: Modules in modules; a chain this long is a circle by `#[path]`.
_MAX_MODULES = 64


@dataclass(frozen=True, eq=False)
class Declared:
    """Something with a name, in a module."""

    name: str
    place: Place
    module: Module
    condition: Condition
    node: Node

    @property
    def key(self) -> tuple[Path, int]:
        """What tells declarations apart: a file, which may be in two module trees, and a byte in it."""
        return self.place.path, self.node.start_byte

    @property
    def build(self) -> Build:
        """What a default build of its crate sets."""
        return self.module.crate.build


@dataclass(frozen=True, eq=False)
class Constant(Declared):
    """`const NAME: TYPE = VALUE;` or a static; in an `impl Type` the name is `Type::NAME`."""

    @property
    def value(self) -> Node:
        """The expression."""
        return child_of(self.node, "value")

    @property
    def type(self) -> str:
        """The declared type, as written."""
        return text_of(child_of(self.node, "type"))


@dataclass(frozen=True, eq=False)
class RustEnum(Declared):
    """An enum."""


@dataclass(frozen=True, eq=False)
class OneHotFunction(Declared):
    """A function named `one_hot...`."""

    #: The type of the `impl` that it stands in.
    owner: str | None


@dataclass(frozen=True)
class Use:
    """`use path as name;`, or `use path::*;` without a name."""

    path: tuple[str, ...]
    name: str | None
    condition: Condition


@dataclass(eq=False)
class Module:
    """A module: a file, or `mod name { .. }`."""

    crate: Crate
    file: Path
    path: tuple[str, ...]
    parent: Module | None
    condition: Condition
    #: Whether a root of the crate leads here; true for all where there is no root.
    reached: bool = True
    children: list[Module] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    enums: list[RustEnum] = field(default_factory=list)
    one_hots: list[OneHotFunction] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)

    @property
    def root(self) -> Module:
        """The root of its tree."""
        return self.parent.root if self.parent else self

    def walk(self) -> Iterator[Module]:
        """This module and all within it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class RustSource:
    """Everything of interest that was declared in a tree of Rust files."""

    root: Path
    files: list[Path] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    crates: list[Crate] = field(default_factory=list)
    #: The roots of the module trees.
    trees: list[Module] = field(default_factory=list)
    #: Files of which a part is no Rust, and where that is.
    broken: dict[Path, Place] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> RustSource:
        """Reads every `.rs` file at or below `root`.

        Raises:
            StorytellerError: `root` is not a folder, holds no Rust, or a file cannot be read.
            Unjudged: a file is beyond a limit or not UTF-8.
        """
        found = find_files(root)
        source = cls(root, skipped=found.skipped)
        source.files = [path for path in found.paths if path.suffix == ".rs"]
        if not source.files:
            raise StorytellerError(f"{root}: no Rust file (.rs) at or below it; expected the root of a Rust repository")
        source.crates = find_crates(root, found.paths)
        reader = _Reader(source)
        for crate in source.crates:
            reader.read(crate)
        return source

    def modules(self) -> Iterator[Module]:
        """Every module."""
        for tree in self.trees:
            yield from tree.walk()

    def crate_root(self, library: str) -> Module | None:
        """The root of the crate of that name in paths."""
        return next((tree for tree in self.trees if tree.crate.library == library), None)


class _Reader:
    """Builds the module trees of the crates, one after the other."""

    def __init__(self, source: RustSource) -> None:
        self.source = source
        self.trees: dict[Path, Node] = {}
        self.claimed: set[Path] = set()
        self.ends = time.monotonic() + MAX_SECONDS

    def read(self, crate: Crate) -> None:
        """Adds the trees of a crate, and what no root leads to where its place says that it belongs."""
        for file in crate.roots:
            self.claimed.add(file)
            self._add_file(self._root(crate, file), file)
        top = next((tree for tree in self.source.trees if tree.crate is crate), None) or self._root(crate, crate.source)
        # First the files that declare others: `a.rs` before `a/b.rs`.
        for file in sorted(crate.files, key=lambda path: (len(path.parts), path.name == "mod.rs", path)):
            if file not in self.claimed:
                self._add_by_place(top, file, reached=not crate.roots)

    def _root(self, crate: Crate, file: Path) -> Module:
        tree = Module(crate, file, (), None, ALWAYS)
        self.source.trees.append(tree)
        return tree

    def _add_by_place(self, top: Module, file: Path, reached: bool) -> None:
        inside = file.relative_to(top.crate.source) if file.is_relative_to(top.crate.source) else Path(file.name)
        names = [*inside.parts[:-1], *([inside.stem] if inside.name != "mod.rs" else [])]
        parent = top
        for depth, name in enumerate(names[:-1]):
            found = next((child for child in parent.children if child.path[-1] == name), None)
            if found is None:
                found = Module(top.crate, file.parent, tuple(names[: depth + 1]), parent, ALWAYS, reached)
                parent.children.append(found)
            parent = found
        module = Module(top.crate, file, tuple(names), parent, parent.condition, reached)
        parent.children.append(module)
        self.claimed.add(file)
        self._add_file(module, file)

    def _add_file(self, module: Module, file: Path) -> None:
        root = self._parsed(file)
        module.condition &= inner_condition(root, module.crate.build)
        self._collect(module, root, file, None, module.condition)

    def _parsed(self, file: Path) -> Node:
        if time.monotonic() > self.ends:
            raise Unjudged(
                f"{file}: reading takes longer than {MAX_SECONDS:g} s; give the folder of the engine's crates"
            )
        if file not in self.trees:
            self.trees[file] = parse(read_bytes(self.source.root, file), file)
            error = first_error(self.trees[file], file)
            if error:
                self.source.broken[file] = error
        return self.trees[file]

    def _collect(self, module: Module, items: Node, file: Path, owner: str | None, inherited: Condition) -> None:
        """Files the declarations of a file, a module or an impl block."""
        for item, attributes in attributed(items):
            under = inherited & condition(attributes, module.crate.build)
            body, name = item.child_by_field_name("body"), item.child_by_field_name("name")
            declared = (text_of(name) if name else "", place_of(item, file), module, under, item)
            if item.type in ("const_item", "static_item") and item.child_by_field_name("value") and declared[0] != "_":
                constant = Constant(*declared)
                module.constants.append(replace(constant, name=f"{owner}::{constant.name}") if owner else constant)
            elif item.type == "enum_item" and body:
                module.enums.append(RustEnum(*declared))
            elif item.type == "function_item" and body and re.match(r"one_hot(_|$)", declared[0]):
                module.one_hots.append(OneHotFunction(*declared, owner))
            elif item.type == "use_declaration":
                module.uses += [replace(use, condition=under) for use in _uses(child_of(item, "argument"), ())]
            elif item.type == "impl_item" and body:
                self._collect(module, body, file, text_of(child_of(item, "type")), under)
            elif item.type == "mod_item":
                self._add_module(module, declared[0], body, file, under, attributes)
            elif included := _included(item):
                path = _normal(file.parent / included)
                if path in module.crate.files and path not in self.claimed:
                    self.claimed.add(path)
                    self._collect(module, self._parsed(path), path, owner, under)

    def _add_module(
        self, parent: Module, name: str, body: Node | None, file: Path, under: Condition, attributes: list[Node]
    ) -> None:
        module = Module(parent.crate, file, (*parent.path, name), parent, under, parent.reached)
        if len(module.path) > _MAX_MODULES:
            raise Unjudged(f"{file}: more than {_MAX_MODULES} modules in one another")
        parent.children.append(module)
        if body is not None:
            module.condition &= inner_condition(body, parent.crate.build)
            self._collect(module, body, file, None, module.condition)
            return
        for path in _module_files(parent, name, file, attributes):
            if path in parent.crate.files:
                self.claimed.add(path)
                module.file = path
                self._add_file(module, path)
                return


def _module_files(parent: Module, name: str, file: Path, attributes: list[Node]) -> Iterator[Path]:
    """Where `mod name;` may lie, what rustc takes first; the last two it would not take."""
    named = [re.fullmatch(r'#\[path = "(.*)"\]', text_of(attribute)) for attribute in attributes]
    for match in filter(None, named):
        yield _normal(file.parent / match[1])
    own = file.parent if file.name in ("mod.rs", "lib.rs", "main.rs") or not parent.path else file.with_suffix("")
    # Modules that are written out inside the file are folders below its own.
    inline = [ancestor.path[-1] for ancestor in _written_out(parent, file)]
    for folder in (own.joinpath(*inline), file.parent):
        yield folder / f"{name}.rs"
        yield folder / name / "mod.rs"


def _written_out(module: Module, file: Path) -> list[Module]:
    chain = []
    while module.parent is not None and module.file == file and module.parent.file == file:
        chain.append(module)
        module = module.parent
    return chain[::-1]


def _normal(path: Path) -> Path:
    """Without `..`, as far as that can be told."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def _included(item: Node) -> str | None:
    """The file of `include!("..");`."""
    match = re.fullmatch(r'include\s*!\s*[({\[]\s*"([^"]*)"\s*[)}\]];?', text_of(item))
    return match[1] if match else None


def _uses(node: Node, prefix: tuple[str, ...]) -> Iterator[Use]:
    """The names that a `use` brings in."""
    match node.type:
        case "use_list":
            for child, _ in attributed(node):
                yield from _uses(child, prefix)
        case "scoped_use_list":
            path = node.child_by_field_name("path")
            yield from _uses(child_of(node, "list"), (*prefix, *(segments(path) if path else ("",))))
        case "use_as_clause":
            renamed = segments(child_of(node, "path"))
            yield Use(_without_self((*prefix, *renamed)), text_of(child_of(node, "alias")), ALWAYS)
        case "use_wildcard":
            whole = segments(node.named_children[0]) if node.named_children else ()
            yield Use((*prefix, *whole), None, ALWAYS)
        case _:
            whole = _without_self((*prefix, *segments(node)))
            yield Use(whole, whole[-1] if whole else "", ALWAYS)


def _without_self(path: tuple[str, ...]) -> tuple[str, ...]:
    """`a::{self}` is `a`."""
    return path[:-1] if len(path) > 1 and path[-1] == "self" else path


def segments(node: Node) -> tuple[str, ...]:
    """`a::b` as its parts; generic arguments, and anything but a path, are one part that leads nowhere."""
    return tuple(part.strip().removeprefix("r#") for part in text_of(node).split("::"))
