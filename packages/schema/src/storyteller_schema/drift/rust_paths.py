"""Follows Rust paths: `crate::limits::N`, `super::`, `self::`, `use .. as`, globs, other crates of the repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storyteller_schema.drift.rust_attributes import ALWAYS, Condition
from storyteller_schema.drift.rust_source import Constant, Module, RustEnum, RustSource

Kind = Literal["constants", "enums", "modules"]


@dataclass(frozen=True)
class Found:
    """What a path leads to, and under what it does."""

    target: Constant | RustEnum | Module
    condition: Condition = ALWAYS


class Paths:
    """The names of a repository."""

    def __init__(self, source: RustSource) -> None:
        self._source = source

    def constants(self, module: Module, path: Sequence[str]) -> list[tuple[Constant, Condition]]:
        """What a path means as a constant, in a module; several when it is declared more than once."""
        found = _Query(self._source).resolve(module, tuple(path), "constants")
        return [(each.target, each.condition) for each in found if isinstance(each.target, Constant)]

    def enums(self, module: Module, path: Sequence[str]) -> list[RustEnum]:
        """What a path means as an enum; likewise."""
        found = _Query(self._source).resolve(module, tuple(path), "enums")
        return [each.target for each in found if isinstance(each.target, RustEnum)]


class _Query:
    """One path that is followed. What is looked up twice, in a circle of `use` say, is answered once."""

    def __init__(self, source: RustSource) -> None:
        self._source = source
        self._answers: dict[tuple[int, str, Kind], list[Found]] = {}

    def resolve(self, module: Module, path: tuple[str, ...], kind: Kind) -> list[Found]:
        if len(path) == 1:
            return (self._keyword(module, path[0]) if kind == "modules" else []) or self._lookup(module, path[0], kind)
        if path[0] == "":  # `::name` is a crate
            crate = self._crate(module, path[1])
            return self.resolve(crate, ("self", *path[2:]), kind) if crate else []
        found = []
        for within in self.resolve(module, path[:-1], "modules"):
            if isinstance(within.target, Module):
                found += [
                    Found(inner.target, within.condition & inner.condition)
                    for inner in self._inside(within.target, path[-1], kind)
                ]
        if kind == "constants" and not found:
            found = self._associated(module, path)
        return _unique(found)

    def _keyword(self, module: Module, name: str) -> list[Found]:
        target = {"crate": module.root, "self": module, "super": module.parent}.get(name)
        return [Found(target)] if target else []

    def _inside(self, module: Module, name: str, kind: Kind) -> list[Found]:
        """What `module::name` means."""
        if kind == "modules" and name in ("self", "super"):
            return self._keyword(module, name)
        return self._lookup(module, name, kind, crates=False)

    def _associated(self, module: Module, path: tuple[str, ...]) -> list[Found]:
        """`Type::NAME` in an `impl Type`, beside the enum's declaration or in this module."""
        name = "::".join(path[-2:])
        for enum in self.resolve(module, path[:-1], "enums"):
            if isinstance(enum.target, RustEnum):
                return self._lookup(enum.target.module, f"{enum.target.name}::{path[-1]}", "constants")
        return self._lookup(module, name, "constants") if len(path) == 2 else []

    def _crate(self, module: Module, name: str) -> Module | None:
        return self._source.crate_root(module.crate.renamed.get(name, name))

    def _lookup(self, module: Module, name: str, kind: Kind, crates: bool = True) -> list[Found]:
        """What a name means in a module: what it declares, else what a `use` names, else what a glob brings."""
        key = (id(module), name, kind)
        if key not in self._answers:
            self._answers[key] = []
            self._answers[key] = _unique(self._find(module, name, kind))
        found = self._answers[key]
        if not found and kind == "modules" and crates:
            crate = self._crate(module, name)
            return [Found(crate)] if crate else []
        return found

    def _find(self, module: Module, name: str, kind: Kind) -> list[Found]:
        own = [Found(each, each.condition) for each in _declared(module, name, kind)]
        own = [each for each in own if each.condition.holds is not False]
        if own:
            return own
        for wanted in (name, None):
            found = []
            for use in module.uses:
                if use.name == wanted and use.condition.holds is not False:
                    path = use.path if wanted else (*use.path, name)
                    found += [
                        Found(each.target, use.condition & each.condition) for each in self.resolve(module, path, kind)
                    ]
            if found:
                return found
        return []


def _declared(module: Module, name: str, kind: Kind) -> Sequence[Constant | RustEnum | Module]:
    if kind == "modules":
        return [child for child in module.children if child.path[-1] == name]
    declared: Sequence[Constant | RustEnum] = module.constants if kind == "constants" else module.enums
    return [each for each in declared if each.name == name]


def _unique(found: list[Found]) -> list[Found]:
    """Each target once: a file in two module trees, or two globs that lead to the same."""
    seen: dict[object, Found] = {}
    for each in found:
        target = each.target
        seen.setdefault((target.file, target.path) if isinstance(target, Module) else target.key, each)
    return list(seen.values())
