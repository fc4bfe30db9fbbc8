"""Of several declarations of the same thing, which one the contract's crate uses.

What is taken is what the module of `feature_schema.rs` uses; failing that what its crate declares; failing that what
another crate declares. Where that leaves several, all are compared, so that the one that differs shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from storyteller_schema.contract.enums import WireEnum
from storyteller_schema.drift.rust_crates import Crate
from storyteller_schema.drift.rust_one_hots import OneHots, names_enum, read_one_hots
from storyteller_schema.drift.rust_paths import Paths
from storyteller_schema.drift.rust_source import Declared, Module, OneHotFunction, RustEnum, RustSource
from storyteller_schema.drift.rust_syntax import Unjudged
from storyteller_schema.drift.rust_values import variants

#: The crate of the contract, by its folder or its package.
CRATE = "storyteller-ml"
T = TypeVar("T")
D = TypeVar("D", bound=Declared)


@dataclass
class Candidates(Generic[T]):
    """What counts, and why."""

    taken: list[T] = field(default_factory=list)
    why: str = ""
    #: Others of the same name, that were not compared.
    others: list[T] = field(default_factory=list)
    #: Why what was taken may not be what the engine uses; empty when it is.
    doubt: str = ""


def is_contracts_crate(crate: Crate) -> bool:
    """Whether that is the engine's crate that holds the contract."""
    return crate.name == CRATE or crate.library == CRATE.replace("-", "_") or crate.folder.name == CRATE


def files_named(source: RustSource, name: str, beside: Crate | None = None) -> Candidates[Module]:
    """The modules that are the file of that name.

    Args:
        source: the repository.
        name: such as `feature_schema.rs`.
        beside: a crate that is known to be the contract's.
    """
    modules: dict[object, Module] = {}
    for module in source.modules():
        is_file = module.file.name == name and (module.parent is None or module.parent.file != module.file)
        if is_file and not module.condition.test_only:
            modules.setdefault((module.file, module.crate.folder), module)

    def rank(module: Module) -> tuple[bool, ...]:
        crate = module.crate is beside if beside else is_contracts_crate(module.crate)
        return (not crate, not module.reached, module.condition.holds is False)

    best = min(map(rank, modules.values()), default=())
    taken = [module for module in modules.values() if rank(module) == best]
    why = (
        f"of the crate {taken[0].crate.name}"
        if len({module.crate.folder for module in modules.values()}) > 1 and not (best and best[0])
        else "all that may be meant"
        if len(taken) > 1
        else "a root of the crate leads to it"
    )
    return Candidates(taken, why, [module for module in modules.values() if module not in taken])


def enums_like(
    source: RustSource, paths: Paths, schema: Sequence[Module], enum: type[WireEnum]
) -> Candidates[RustEnum]:
    """The declarations of an enum of the contract, by its name, or by its variants under any name."""
    name, ours = enum.__name__, set(enum.labels())
    every = [each for module in source.modules() for each in module.enums if not each.condition.test_only]
    labels = {id(each): {label for _, label, _ in variants(each)} for each in every}

    def alike(found: Sequence[RustEnum]) -> list[RustEnum]:
        """Those that share at least half of the variants: another thing may have the name too."""
        return [each for each in _once(found) if 2 * len(labels[id(each)] & ours) >= len(ours)]

    named = [each for each in every if each.name == name]
    active = [each for each in every if each.condition.holds is not False]
    crates = {module.crate.folder for module in schema}
    within = [each for each in active if each.module.crate.folder in crates]
    of_crate = [module for module in source.modules() if module.crate.folder in crates]

    used = _once([each for module in schema for each in paths.enums(module, (name,))])
    elsewhere = alike([each for module in of_crate if module.reached for each in paths.enums(module, (name,))])
    doubt = ""
    if not used and any(use.name == name for module in schema for use in module.uses):
        doubt = f"the `use` of {name} in {schema[0].file} leads to nothing that was read"
    for taken, why in (
        (used, f"{schema[0].file if schema else ''} uses it"),
        (elsewhere, "its crate uses it"),
        (alike([each for each in within if each.name == name]), "of its crate"),
        (alike([each for each in active if each.name == name]), "by its name"),
        (_once([each for each in within if labels[id(each)] == ours]), "by its variants"),
        (_once([each for each in active if labels[id(each)] == ours]), "by its variants"),
        (_once(alike([each for each in named if each.condition.holds is False])), "left out by a default build"),
    ):
        if taken:
            keys = {each.key for each in taken}
            others = [each for each in alike(named) if each.key not in keys]
            return Candidates(taken, why, others, doubt)
    return Candidates(doubt=doubt)


def one_hots_for(
    source: RustSource, paths: Paths, schema: Sequence[Module], enum: type[WireEnum], enums: Sequence[RustEnum]
) -> tuple[Candidates[OneHotFunction], dict[int, OneHots], list[str]]:
    """The one-hot functions for an enum, what each says, and what cannot be judged about them."""
    keys = {each.key for each in enums}
    said: dict[int, OneHots] = {}
    unjudged: list[str] = []
    functions: list[OneHotFunction] = []
    for function in (each for module in source.modules() for each in module.one_hots):
        if function.condition.test_only:
            continue
        try:
            one_hots = read_one_hots(function)
        except Unjudged as reason:
            # Whose arm it is does not matter: nobody can say what the function does.
            if enum.__name__ in str(reason) or names_enum(function, enum.__name__):
                unjudged.append(str(reason))
            continue
        if _is_for(function, one_hots, paths, enum, keys):
            said[id(function)] = one_hots
            functions.append(function)
    crates = {module.crate.folder for module in schema}
    functions = _once(functions)

    def rank(function: OneHotFunction) -> tuple[bool, ...]:
        return (
            function.condition.holds is False,
            function.module.crate.folder not in crates,
            not function.module.reached,
        )

    best = min(map(rank, functions), default=())
    taken = [each for each in functions if rank(each) == best]
    return Candidates(taken, "of its crate", [each for each in functions if each not in taken]), said, unjudged


def _is_for(
    function: OneHotFunction, one_hots: OneHots, paths: Paths, enum: type[WireEnum], keys: set[tuple[Path, int]]
) -> bool:
    for name in one_hots.types:
        declared = paths.enums(function.module, (name,))
        if any(each.key in keys for each in declared) or (name == enum.__name__ and not declared):
            return True
    return names_enum(function, enum.__name__) or set(one_hots.arms) == set(enum.labels())


def _once(found: Sequence[D]) -> list[D]:
    """Each declaration once, though its file may be in several module trees."""
    return list({each.key: each for each in reversed(found)}.values())[::-1]
