"""`--validate-only`: every problem of an event data file, and the shape of what is sound in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

import msgspec
from rich.table import Table
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.events import EntityCategory, EntityRole, EventKind, Register

from storyteller_trainer.events.data.convention import SpanConvention, convention
from storyteller_trainer.events.data.dataset import inspect
from storyteller_trainer.events.data.line_parser import OffsetUnit
from storyteller_trainer.events.data.skeleton import split_group, text_key

E = TypeVar("E", bound=Enum)


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a file. Everything but the problems is about the sound examples alone."""

    file: str
    problems: int
    #: Kind of problem to how often it was found.
    problems_by_kind: dict[str, int]
    #: The first problems, as they are told to the user.
    first_problems: list[str]
    examples: int
    #: Texts that differ in more than their entities; templates, where the data names them.
    skeletons: int
    #: Examples whose id, or whose text, an earlier one has too.
    repeated_ids: int
    repeated_texts: int
    #: Examples of several kinds, and examples by kind and by primary kind.
    several_kinds: int
    kinds: dict[str, int]
    primary_kinds: dict[str, int]
    registers: dict[str, int]
    entities: int
    categories: dict[str, int]
    roles: dict[str, int]
    #: Records by what only fits their offsets, `bytes` or `characters`; with the rest both readings agree.
    offsets: dict[str, int]
    #: Examples whose kinds, and examples of which some categories were not annotated.
    without_kinds: int
    partly_annotated: int
    #: Whether spans hold their determiners, and the share of spans that begin with one.
    spans: SpanConvention
    determiner_share: float
    #: Spans right before which a determiner stands that belongs to no span.
    determiners_left_out: int


def survey(path: StrPath) -> Survey:
    """Reads a whole file, sound or not; errors as in `inspect`."""
    path = Path(path)
    found = inspect(path)
    examples = found.examples
    entities = [entity for example in examples for entity in example.entities]
    determiners = convention(examples)
    return Survey(
        file=str(path),
        problems=found.problems.total,
        problems_by_kind={kind.value: count for kind, count in found.problems.counts.most_common()},
        first_problems=[str(problem) for problem in found.problems.first],
        examples=len(examples),
        skeletons=len({split_group(example) for example in examples}),
        repeated_ids=len(examples) - len({example.id for example in examples}),
        repeated_texts=len(examples) - len({text_key(example.text) for example in examples}),
        several_kinds=sum(len(set(example.event_kinds)) > 1 for example in examples),
        kinds=_counts(EventKind, (kind for example in examples for kind in set(example.event_kinds))),
        primary_kinds=_counts(EventKind, (example.event_kinds[0] for example in examples if example.event_kinds)),
        registers=_counts(Register, (example.register for example in examples)),
        entities=len(entities),
        categories=_counts(EntityCategory, (entity.category for entity in entities)),
        roles=_counts(EntityRole, (entity.role for entity in entities)),
        offsets={reading.value: found.readings[reading] for reading in OffsetUnit},
        without_kinds=sum(not example.kinds_annotated for example in examples),
        partly_annotated=sum(
            example.categories is not None and len(set(example.categories)) < len(EntityCategory)
            for example in examples
        ),
        spans=determiners.name,
        determiner_share=determiners.share,
        determiners_left_out=determiners.outside,
    )


def _counts(kind: type[E], values: Iterable[E]) -> dict[str, int]:
    """How often each member occurs, in wire order, the absent ones too."""
    counts = Counter(values)
    return {member.value: counts[member] for member in kind}


def survey_tables(found: Survey) -> list[Table]:
    """Problems by kind, if there are any, then the shape of the data."""
    tables = []
    if found.problems:
        problems = Table("problem", title=f"{found.problems} problems")
        problems.add_column("count", justify="right")
        for kind, count in found.problems_by_kind.items():
            problems.add_row(kind, str(count))
        tables.append(problems)
    shape = Table("field", "of the sound examples", title=f"{found.examples} examples, {found.skeletons} skeletons")
    shape.add_row("event kinds", _listed(found.kinds))
    shape.add_row("primary kinds", _listed(found.primary_kinds))
    shape.add_row("of several kinds", str(found.several_kinds))
    shape.add_row("registers", _listed(found.registers))
    shape.add_row("entities", f"{found.entities}: {_listed(found.categories)}")
    shape.add_row("roles", _listed(found.roles))
    shape.add_row("offsets that fit only", _listed(found.offsets))
    partly = f"{found.without_kinds} examples without kinds, {found.partly_annotated} with some categories only"
    shape.add_row("annotated in part", partly)
    counted = f"{found.determiner_share:.1%} begin with one, {found.determiners_left_out} stand right after one"
    shape.add_row("entity spans", f"{found.spans}: {counted}")
    shape.add_row("repeated", f"{found.repeated_ids} ids, {found.repeated_texts} texts")
    return [*tables, shape]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
