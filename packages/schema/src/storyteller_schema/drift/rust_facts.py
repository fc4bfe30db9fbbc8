"""The facts of the contract that the engine's Rust source states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.constants import ENGINE_CONSTANTS
from storyteller_schema.contract.enums import WIRE_ENUMS, WireEnum
from storyteller_schema.contract.events import BIO_LABELS as OUR_BIO_LABELS
from storyteller_schema.contract.events import MAX_SEQ_LENGTH, EventKind
from storyteller_schema.drift.facts import (
    BIO_LABELS,
    CONSTANTS,
    DECODE_RULES,
    EVENT_KINDS,
    REGIONS,
    SEQUENCE_LENGTH,
    Facts,
    Topic,
    Value,
    enum_order,
    one_hot_arms,
)
from storyteller_schema.drift.golden_vectors import DECODE, ENCODE
from storyteller_schema.drift.rust_candidates import Candidates, enums_like, files_named, one_hots_for
from storyteller_schema.drift.rust_source import Constant, Declared, Module, RustEnum, RustSource
from storyteller_schema.drift.rust_syntax import Unjudged, Unreadable
from storyteller_schema.drift.rust_values import Values, must_hold, strings, variants

#: The file that declares the constants, and the one that declares the event labels, wherever they lie.
CONSTANTS_FILE = "feature_schema.rs"
LABELS_FILE = "event_labels.rs"
#: Names and places that a note lists before it counts.
LISTED = 5
D = TypeVar("D", bound=Declared)


def rust_facts(source: RustSource) -> Facts:
    """Everything of the contract that can be read from a Rust repository.

    Raises:
        StorytellerError: the repository has no `feature_schema.rs`.
    """
    return _RustFacts(source).collect()


class _RustFacts:
    """Collects the facts, and notes beside them what was taken, what was left out and what cannot be judged."""

    def __init__(self, source: RustSource) -> None:
        self.source = source
        self.values = Values(source)
        self.facts = Facts()
        #: The files that facts were read from.
        self.read: set[Path] = set()
        #: What was taken of several: why, the files of it and of the others; the names, with the places of both.
        self._chosen: dict[tuple[str, tuple[Path, ...], tuple[Path, ...]], list[tuple[str, list[str], list[str]]]] = {}

    def collect(self) -> Facts:
        self.facts.notes += [f"not read: {skipped}" for skipped in self.source.skipped]
        schema = self._constants()
        self._event_labels(schema)
        for enum in WIRE_ENUMS:
            declared = self._enum(schema, enum)
            self._one_hots(schema, enum, declared)
        self.facts.reasons[REGIONS] = "region names are not declared in Rust source; give the engine's JSON too"
        for topic in (DECODE_RULES, ENCODE, DECODE):
            self.facts.reasons[topic] = "this is behaviour; give the engine's richer JSON too"
        for file, place in sorted(self.source.broken.items()):
            if file in self.read:
                self.facts.unjudged.append(f"{place}: no Rust that can be parsed from here on")
            else:
                self.facts.notes.append(f"not understood: {place}")
        self.facts.unjudged = list(dict.fromkeys(self.facts.unjudged))
        self.facts.notes = list(dict.fromkeys(self.facts.notes + self._notes_of_chosen()))
        return self.facts

    def _constants(self) -> list[Module]:
        """Adds the constants; the modules that declare them."""
        files = files_named(self.source, CONSTANTS_FILE)
        if not files.taken:
            raise StorytellerError(
                f"{self.source.root}: none of its {len(self.source.files)} Rust files is named {CONSTANTS_FILE}; "
                f"expected the root of the engine's repository, with crates/storyteller-ml/src/{CONSTANTS_FILE}"
            )
        self._note_files(CONSTANTS_FILE, files)
        # The topic stands even when it stays empty: a file without the declarations has lost them.
        self.facts.topics[CONSTANTS] = {}
        for module in files.taken:
            self.read.add(module.file)
            for name, ours in ENGINE_CONSTANTS.items():
                constant = self._declared(module, name, CONSTANTS)
                if constant is not None:
                    self._add(CONSTANTS, name, self._integer(constant), ours, constant)
            for constant in module.constants:
                if constant.name not in ENGINE_CONSTANTS and constant.condition.holds:
                    value = self._integer(constant)
                    if isinstance(value, int):
                        self.facts.add(CONSTANTS, constant.name, value, str(constant.place))
        return files.taken

    def _event_labels(self, schema: list[Module]) -> None:
        files = files_named(self.source, LABELS_FILE, schema[0].crate)
        self._note_files(LABELS_FILE, files)
        for topic in (EVENT_KINDS, BIO_LABELS, SEQUENCE_LENGTH):
            if not files.taken:
                self.facts.reasons[topic] = f"no file {LABELS_FILE} in the Rust source"
                continue
            self.facts.topics[topic] = {}
            for module in files.taken:
                self.read.add(module.file)
                constant = self._declared(module, topic.thing, topic)
                if constant is None:
                    continue
                if topic is SEQUENCE_LENGTH:
                    self._add(topic, topic.thing, self._integer(constant), MAX_SEQ_LENGTH, constant)
                    continue
                try:
                    labels = tuple(strings(constant))
                except Unjudged as reason:
                    self._unjudged(topic, reason)
                except Unreadable as reason:
                    self.facts.add(topic, topic.thing, f"(cannot be read: {reason})", str(constant.place))
                else:
                    expected = EventKind.labels() if topic is EVENT_KINDS else OUR_BIO_LABELS
                    self._add_order(topic, topic.thing, labels, expected, str(constant.place))

    def _enum(self, schema: list[Module], enum: type[WireEnum]) -> list[RustEnum]:
        """Adds an enum's order; the declarations it was read from."""
        topic, name = enum_order(enum.__name__), f"enum {enum.__name__}"
        found = enums_like(self.source, self.values.paths, schema, enum)
        self._note(name, found)
        for declared in found.taken:
            self.read.add(declared.place.path)
            place = str(declared.place)
            if declared.condition.holds is False:
                self.facts.add(
                    topic, name, f"(only under `{declared.condition.text}`, which a default build leaves out)", place
                )
                continue
            for _, variant, under in variants(declared):
                if under.holds is False and not under.test_only:
                    self._left_out(f"{name}::{variant}", under.text, place)
            try:
                numbers = self.values.discriminants(declared)
            except Unjudged as reason:
                self._unjudged(topic, reason)
            except Unreadable as reason:
                self.facts.add(topic, name, f"(cannot be read: {reason})", place)
            else:
                self._add_order(topic, name, tuple(sorted(numbers, key=numbers.__getitem__)), enum.labels(), place)
        if not found.taken:
            self._order_of_strings(schema, topic, enum)
        elif found.doubt:
            self.facts.doubts[topic] = found.doubt
        return found.taken

    def _order_of_strings(self, schema: list[Module], topic: Topic, enum: type[WireEnum]) -> None:
        """An array of the variants' names shows an order too."""
        ours = set(enum.labels())
        for module in self.source.modules():
            for constant in module.constants:
                order = _folded(constant, enum)
                if set(order) == ours and constant.condition.holds is not False:
                    try:
                        must_hold(constant.condition, constant.place, f"`{constant.name}`")
                    except Unjudged as reason:
                        self._unjudged(topic, reason)
                        continue
                    self.read.add(constant.place.path)
                    self._add_order(topic, f"enum {enum.__name__}", order, enum.labels(), str(constant.place))
        if topic not in self.facts.topics and topic not in self.facts.reasons:
            self.facts.reasons[topic] = (
                f"no enum of this name, and none with these variants, in {len(self.source.files)} Rust files"
            )

    def _one_hots(self, schema: list[Module], enum: type[WireEnum], declared: list[RustEnum]) -> None:
        topic, ours = one_hot_arms(enum.__name__), set(enum.labels())
        found, said, unjudged = one_hots_for(self.source, self.values.paths, schema, enum, declared)
        self.facts.unjudged += unjudged
        self._note(f"one-hot {enum.__name__}", found)
        for function in found.taken:
            self.read.add(function.place.path)
            place = f"{function.name}, {function.place}"
            try:
                must_hold(function.condition, function.place, f"`{function.name}`")
            except Unjudged as reason:
                self._unjudged(topic, reason)
                continue
            if function.condition.holds is False:
                text = f"(only under `{function.condition.text}`, which a default build leaves out)"
                self.facts.add(topic, f"one-hot {enum.__name__}", text, place)
                continue
            one_hots = said[id(function)]
            for arm in one_hots.left_out:
                self.facts.notes.append(f"one-hot {enum.__name__}: a default build leaves out {arm}")
            for variant, floats in one_hots.arms.items():
                name = f"one-hot {enum.__name__}::{variant}"
                expected = variant in ours and floats == _one_hot(enum, variant)
                if name not in self.facts.topics.get(topic, {}) or not expected:
                    self.facts.add(topic, name, floats, place)
            for arm in one_hots.unread:
                name = f"one-hot {enum.__name__}: `{arm}`"
                self.facts.add(topic, name, "(there and not understood: no match of Variant => [numbers])", place)
        if topic not in self.facts.topics and topic not in self.facts.reasons:
            self.facts.reasons[topic] = "no one_hot_* function for this enum in the Rust source"

    def _declared(self, module: Module, name: str, topic: Topic) -> Constant | None:
        """The constant that a name means in a module. One that only another build has is a fact by itself."""
        left_out = [each for each in module.constants if each.name == name and each.condition.holds is False]
        left_out = [each for each in left_out if not each.condition.test_only]
        try:
            constant = self.values.find(module, (name,))
        except Unjudged as reason:
            self.facts.unjudged.append(str(reason))
            return None
        except Unreadable:
            for each in left_out:
                text = f"(only under `{each.condition.text}`, which a default build leaves out)"
                self.facts.add(topic, name, text, str(each.place))
            return None
        for each in left_out:
            self._left_out(name, each.condition.text, str(each.place))
        self.read.add(constant.place.path)
        return constant

    def _integer(self, constant: Constant) -> Value:
        """A constant's value, or why it cannot be read: that equals nothing, so it shows as a difference."""
        try:
            return self.values.integer(constant)
        except Unjudged as reason:
            self.facts.unjudged.append(str(reason))
            return f"(cannot be judged: {reason})"
        except Unreadable as reason:
            return f"(cannot be read: {reason})"

    def _add(self, topic: Topic, name: str, value: Value, ours: Value, constant: Constant) -> None:
        """A fact; of several declarations that may be meant, the one that differs must show."""
        if name not in self.facts.topics[topic] or value != ours:
            self.facts.add(topic, name, value, str(constant.place))

    def _add_order(self, topic: Topic, name: str, order: tuple[str, ...], ours: tuple[str, ...], place: str) -> None:
        """An order; likewise."""
        if not self.facts.topics.get(topic) or order != ours:
            self.facts.topics[topic] = {}
            self.facts.add_sequence(topic, name, order, place)

    def _unjudged(self, topic: Topic, reason: Unjudged) -> None:
        """What cannot be judged is neither equal nor different."""
        self.facts.unjudged.append(str(reason))
        if not self.facts.topics.get(topic):
            self.facts.topics.pop(topic, None)
            self.facts.reasons[topic] = "cannot be judged"

    def _left_out(self, name: str, attribute: str, place: str) -> None:
        self.facts.notes.append(f"{name}: a default build leaves out the one under `{attribute}` ({place})")

    def _note_files(self, name: str, found: Candidates[Module]) -> None:
        self._note_places(name, found.why, [(each.file, each.file) for each in found.taken], found.others)

    def _note(self, name: str, found: Candidates[D]) -> None:
        self._note_places(name, found.why, [(each.place.path, each.place) for each in found.taken], found.others)

    def _note_places(
        self, name: str, why: str, taken: list[tuple[Path, object]], others: Sequence[Module | Declared]
    ) -> None:
        """Keeps what was taken of several, by the files: many things may have stale copies in the same ones."""
        if others or len(taken) > 1:
            places = [each.file if isinstance(each, Module) else each.place for each in others]
            files = [each.file if isinstance(each, Module) else each.place.path for each in others]
            key = why, tuple(file for file, _ in taken), tuple(files)
            self._chosen.setdefault(key, []).append((name, [str(place) for _, place in taken], list(map(str, places))))

    def _notes_of_chosen(self) -> list[str]:
        """One line for all that was taken from the same files in place of the same others."""
        lines = []
        for (why, files, other_files), things in self._chosen.items():
            names = [name for name, _, _ in things]
            taken, others = things[0][1:] if len(things) == 1 else (_once(files), _once(other_files))
            line = f"{listed(names)}: compared {listed(taken)} ({why})"
            lines.append(line + (f", not {listed(others)}" if others else ""))
        return lines


def listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:LISTED])} and {more} more"


def _once(files: Iterable[Path]) -> list[str]:
    return list(dict.fromkeys(map(str, files)))


def _folded(constant: Constant, enum: type[WireEnum]) -> tuple[str, ...]:
    """The elements of an array of strings under our spelling (`joy` is Joy); empty for anything else."""
    try:
        return tuple(enum(text).value for text in strings(constant))
    except (Unreadable, Unjudged, ValueError):
        return ()


def _one_hot(enum: type[WireEnum], variant: str) -> tuple[float, ...]:
    return tuple(float(label == variant) for label in enum.labels())
