"""The contract taken apart into small named facts, which is the form in which two sides of it are compared.

Whatever the source, a fact has the same name, so comparing two sides is comparing two dictionaries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from storyteller_schema.contract.schema_json import EventInfo, RegionInfo, SchemaDocument

#: What a fact says: a number, a name, or the floats of a one-hot.
Value = int | float | str | bool | tuple[float, ...] | None


class Topic(NamedTuple):
    """What facts are about: a kind, and the thing where a kind has several."""

    kind: str
    thing: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.thing}".rstrip()


REGIONS = Topic("sizes and regions")
FINGERPRINTS = Topic("fingerprints")
CONSTANTS = Topic("constants")
DECODE_RULES = Topic("decode rules")
EVENT_KINDS = Topic("event labels", "EVENT_KIND_LABELS")
BIO_LABELS = Topic("event labels", "BIO_LABELS")
SEQUENCE_LENGTH = Topic("event labels", "MAX_SEQ_LENGTH")


def enum_order(enum: str) -> Topic:
    """The variants of an enum by position."""
    return Topic("enum order", enum)


def one_hot_arms(enum: str) -> Topic:
    """The one-hot of each variant of an enum."""
    return Topic("one-hot", enum)


@dataclass
class Facts:
    """One side of the contract."""

    #: Topic to fact to value. A topic that this side does not show is not there.
    topics: dict[Topic, dict[str, Value]] = field(default_factory=dict)
    #: Fact to the place in the source where it was read.
    places: dict[str, str] = field(default_factory=dict)
    #: Why a topic is not there.
    reasons: dict[Topic, str] = field(default_factory=dict)
    #: Why a topic that is there may not be what the engine uses.
    doubts: dict[Topic, str] = field(default_factory=dict)
    #: Of which nobody can say what a build makes of it, each with its place.
    unjudged: list[str] = field(default_factory=list)
    #: What was taken of several, what was left out, what was not read; for people.
    notes: list[str] = field(default_factory=list)

    def add(self, topic: Topic, name: str, value: Value, place: str = "") -> None:
        """Adds a fact, and its topic when it is the first."""
        self.topics.setdefault(topic, {})[name] = value
        if place:
            self.places[name] = place

    def add_sequence(self, topic: Topic, name: str, values: Iterable[str], place: str = "") -> None:
        """Adds an ordered list, one fact per position, so that a swapped or shifted entry shows where it stands."""
        for position, value in enumerate(values):
            self.add(topic, f"{name}[{position}]", value, place)


def as_float32(value: Value) -> Value:
    """A number as the float32 it stands for, however many digits it was written with; anything else as it is."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite there
        return float(np.float32(value)) if isinstance(value, float) else value


def document_facts(document: SchemaDocument) -> Facts:
    """The facts that a document states; golden vectors are compared elsewhere, since they need code to run."""
    facts = Facts()
    for side, size, regions in (
        ("input", document.input_size, document.input_regions),
        ("output", document.output_size, document.output_regions),
    ):
        facts.add(REGIONS, f"{side}_size", size)
        facts.add_sequence(REGIONS, f"{side}_regions", map(_region, regions))
    for name in ("fingerprint", "event_fingerprint"):
        if getattr(document, name) is not None:
            facts.add(FINGERPRINTS, name, getattr(document, name))
    # A topic stands though it is empty: whoever lists no constants has lost them.
    if document.constants is not None:
        facts.topics[CONSTANTS] = {}
    for name, constant in (document.constants or {}).items():
        facts.add(CONSTANTS, name, constant)
    for name, labels in (document.enums or {}).items():
        facts.topics[enum_order(name)] = {}
        facts.add_sequence(enum_order(name), f"enum {name}", labels)
    for name, members in (document.one_hots or {}).items():
        facts.topics[one_hot_arms(name)] = {}
        for member, floats in members.items():
            facts.add(one_hot_arms(name), f"one-hot {name}::{member}", floats)
    for name, number in (document.decode_rules or {}).items():
        facts.add(DECODE_RULES, name, as_float32(number))
    if document.events:
        add_event_facts(facts, document.events)
    return facts


def _region(region: RegionInfo) -> str:
    return f"{region.name} at {region.offset}, {region.length} floats"


def add_event_facts(facts: Facts, events: EventInfo) -> None:
    """Adds the labels of the text pipeline."""
    facts.topics |= {EVENT_KINDS: {}, BIO_LABELS: {}}
    facts.add_sequence(EVENT_KINDS, "EVENT_KIND_LABELS", events.event_kinds)
    facts.add_sequence(BIO_LABELS, "BIO_LABELS", events.bio_labels)
    facts.add(SEQUENCE_LENGTH, "MAX_SEQ_LENGTH", events.max_seq_length)
