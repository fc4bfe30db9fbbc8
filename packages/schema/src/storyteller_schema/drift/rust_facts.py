"""The facts of the contract that the engine's Rust source states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.constants import ENGINE_CONSTANTS
from storyteller_schema.contract.enums import WIRE_ENUMS, WireEnum
from storyteller_schema.drift.facts import (
    BIO_LABELS,
    CONSTANTS,
    DECODE_RULES,
    EVENT_KINDS,
    REGIONS,
    SEQUENCE_LENGTH,
    Facts,
    Value,
    enum_order,
    one_hot_arms,
)
from storyteller_schema.drift.golden_vectors import DECODE, ENCODE
from storyteller_schema.drift.rust_source import Constant, OneHotFunction, RustSource, Unreadable
from storyteller_schema.drift.rust_values import discriminants, integer, strings

#: The file that declares the constants, and the one that declares the event labels, wherever they lie.
CONSTANTS_FILE = "feature_schema.rs"
LABELS_FILE = "event_labels.rs"


def rust_facts(source: RustSource) -> Facts:
    """Everything of the contract that can be read from a Rust repository.

    Raises:
        StorytellerError: the repository has no `feature_schema.rs`.
    """
    facts = Facts()
    _add_constants(facts, source)
    _add_event_labels(facts, source)
    for enum in WIRE_ENUMS:
        _add_enum(facts, source, enum)
        _add_one_hots(facts, source, enum)
    facts.reasons[REGIONS] = "region names are not declared in Rust source; give the engine's JSON too"
    for topic in (DECODE_RULES, ENCODE, DECODE):
        facts.reasons[topic] = "this is behaviour; give the engine's richer JSON too"
    return facts


def _file(source: RustSource, name: str) -> Path | None:
    """The file of that name nearest to the root, if there is one."""
    found = [path for path in source.files if path.name == name]
    return min(found, key=lambda path: (len(path.parts), path), default=None)


def _declared(source: RustSource, file: Path | None = None) -> list[Constant]:
    """The constants of one file, or of all."""
    constants = [constant for declared in source.constants.values() for constant in declared]
    return [constant for constant in constants if file in (None, constant.place.path)]


def _integer(source: RustSource, constant: Constant) -> Value:
    """A constant's value, or why it cannot be read: that equals nothing, so it shows as a difference."""
    try:
        return integer(source, constant)
    except Unreadable as reason:
        return f"(cannot be read: {reason})"


def _add_constants(facts: Facts, source: RustSource) -> None:
    file = _file(source, CONSTANTS_FILE)
    if file is None:
        raise StorytellerError(
            f"{source.root}: none of its {len(source.files)} Rust files is named {CONSTANTS_FILE}; "
            f"expected the root of the engine's repository, with crates/storyteller-ml/src/{CONSTANTS_FILE}"
        )
    # The topic stands even when it stays empty: a file without the declarations has lost them.
    facts.topics[CONSTANTS] = {}
    for constant in _declared(source, file):
        value = _integer(source, constant)
        other = facts.topics[CONSTANTS].get(constant.name, value)
        if other != value:  # under different `cfg`s, say: which one holds cannot be told
            value = f"(declared as {other} and as {value})"
        if constant.name in ENGINE_CONSTANTS or isinstance(value, int):
            facts.add(CONSTANTS, constant.name, value, str(constant.place))


def _add_event_labels(facts: Facts, source: RustSource) -> None:
    file = _file(source, LABELS_FILE)
    for topic in (EVENT_KINDS, BIO_LABELS, SEQUENCE_LENGTH):
        if file is None:
            facts.reasons[topic] = f"no file {LABELS_FILE} in the Rust source"
            continue
        facts.topics[topic] = {}
        for constant in _declared(source, file):
            if constant.name != topic.thing:
                continue
            if topic is SEQUENCE_LENGTH:
                facts.add(topic, topic.thing, _integer(source, constant), str(constant.place))
                continue
            try:
                facts.add_sequence(topic, topic.thing, strings(constant), str(constant.place))
            except Unreadable as reason:
                facts.add(topic, topic.thing, f"(cannot be read: {reason})", str(constant.place))


def _add_enum(facts: Facts, source: RustSource, enum: type[WireEnum]) -> None:
    topic = enum_order(enum.__name__)
    orders = _orders(source, enum)
    if not orders:
        facts.reasons[topic] = f"no enum of this name, and none with these variants, in {len(source.files)} Rust files"
    for place, order in orders.items():
        # Declarations that agree make the same facts; of those that do not, the one that differs from ours must show.
        name = f"enum {enum.__name__}"
        if topic not in facts.topics or order != enum.labels():
            facts.topics.pop(topic, None)
            facts.add_sequence(topic, name, order, place)


def _orders(source: RustSource, enum: type[WireEnum]) -> dict[str, tuple[str, ...]]:
    """Place to variants in wire order, for what declares this enum: by its name, or by its variants under any name."""
    ours = set(enum.labels())
    declared: dict[str, tuple[str, ...]] = {}
    named = [found for found in source.enums if found.name == enum.__name__]
    same_variants = [found for found in source.enums if set(found.variants) == ours]
    if named:
        # Other crates may use the name for something else: those that share the most variants are meant.
        shared = max(len(ours & set(found.variants)) for found in named)
        named = [found for found in named if shared and len(ours & set(found.variants)) == shared]
    for found in named or same_variants:
        try:
            numbers = discriminants(source, found)
        except Unreadable as reason:
            declared[str(found.place)] = (f"(cannot be read: {reason})",)
            continue
        declared[str(found.place)] = tuple(sorted(numbers, key=numbers.__getitem__))
    return declared or {str(c.place): order for c in _declared(source) if set(order := _folded(c, enum)) == ours}


def _folded(constant: Constant, enum: type[WireEnum]) -> tuple[str, ...]:
    """The elements of an array of strings under our spelling (`joy` is Joy); empty for anything else."""
    try:
        return tuple(enum(text).value for text in strings(constant))
    except (Unreadable, ValueError):
        return ()


def _add_one_hots(facts: Facts, source: RustSource, enum: type[WireEnum]) -> None:
    topic = one_hot_arms(enum.__name__)
    ours = set(enum.labels())
    named = [function for function in source.one_hots if enum.__name__ in function.types]
    functions: Sequence[OneHotFunction] = named or [f for f in source.one_hots if set(f.arms) == ours]
    for function in functions:
        place = f"{function.name}, {function.place}"
        for variant, floats in function.arms.items():
            name = f"one-hot {enum.__name__}::{variant}"
            expected = variant in ours and floats == _one_hot(enum, variant)
            if name not in facts.topics.get(topic, {}) or not expected:
                facts.add(topic, name, floats, place)
        for arm in function.unread:
            facts.add(
                topic, f"one-hot {enum.__name__}: `{arm}`", "(not an arm of the form Variant => [numbers])", place
            )
    if topic not in facts.topics:
        facts.reasons[topic] = (
            f"{functions[0].name} at {functions[0].place} has no match with arms"
            if functions
            else "no one_hot_* function for this enum in the Rust source"
        )


def _one_hot(enum: type[WireEnum], variant: str) -> tuple[float, ...]:
    return tuple(float(label == variant) for label in enum.labels())
