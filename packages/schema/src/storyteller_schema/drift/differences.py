"""Finds where the engine and this workspace disagree about the contract.

A check says what it compared, what its source cannot show, and every difference. What is there but cannot be read
counts as a difference: a check must not pass because it looked away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.enums import WIRE_ENUMS
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.schema_json import SchemaDocument, read_document, rich_document
from storyteller_schema.drift.facts import (
    CONSTANTS,
    FINGERPRINTS,
    Facts,
    Topic,
    Value,
    document_facts,
    one_hot_arms,
)
from storyteller_schema.drift.golden_vectors import (
    DECODE,
    ENCODE,
    add_vector_facts,
    reference_document,
    with_our_vectors,
)

#: As much of a JSON file as is read.
MAX_JSON_BYTES = 64 * 2**20
#: Stands in a row for what one side does not have.
ABSENT = "(absent)"
#: Characters of a value in a row.
MAX_SHOWN = 200
#: Topics of which the engine may have more than the contract: a helper constant changes nothing by itself.
OPEN_TOPICS = frozenset({CONSTANTS})
#: Topics that a source may leave out. The engine has no way to compute a fingerprint, and all that one shows is
#: compared by itself; no vector holds the one-hot of these enums, so there need be no function for it.
NOT_ON_THE_WIRE = frozenset(
    {FINGERPRINTS}
    | {
        one_hot_arms(enum.__name__)
        for enum in WIRE_ENUMS
        if not any(f.enum is enum for region in FEATURES.regions for f in region.fields)
    }
)


@dataclass(frozen=True)
class ContractDifference:
    """One disagreement: what it is about, this workspace's value, the engine's value."""

    name: str
    here: str
    there: str


@dataclass
class DriftReport:
    """What a check found."""

    #: What was compared with this workspace.
    source: str
    #: What was compared: a kind of thing, and how many facts of it.
    covered: dict[str, int] = field(default_factory=dict)
    #: What the source does not show, and why.
    unseen: list[str] = field(default_factory=list)
    #: The topics of the contract that the source does not confirm, by name.
    unconfirmed: list[str] = field(default_factory=list)
    #: What cannot be judged: what rustc refuses, or what more than the source decides. Each with file and line.
    unjudged: list[str] = field(default_factory=list)
    #: What was taken of several candidates, what a default build leaves out, what was not read.
    notes: list[str] = field(default_factory=list)
    #: What the source has beyond the contract; not compared.
    extra: list[str] = field(default_factory=list)
    differences: list[ContractDifference] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """True when something was compared, nothing differs, and nothing was found that cannot be judged."""
        return bool(self.covered) and not self.differences and not self.unjudged


def compare(here: Facts, there: Facts, source: str) -> DriftReport:
    """Compares the facts of two sides, topic by topic; `source` says what `there` is."""
    report = DriftReport(source)
    for topic, ours in here.topics.items():
        theirs = there.topics.get(topic)
        if theirs is None:
            continue
        report.covered[topic.kind] = report.covered.get(topic.kind, 0) + len(ours)
        for name in dict.fromkeys((*ours, *theirs)):
            value, other = ours.get(name), theirs.get(name)
            if name not in ours and topic in OPEN_TOPICS:
                report.extra.append(f"{name} = {show(other)}")
            elif value != other:
                place = there.places.get(name)
                report.differences.append(
                    ContractDifference(name, show(value), show(other) + (f" ({place})" if place else ""))
                )
    missing = [topic for topic in here.topics if topic not in there.topics and topic not in NOT_ON_THE_WIRE]
    reasons = {topic: there.reasons.get(topic, "not in this JSON") for topic in missing} | there.doubts
    report.unconfirmed = list(map(str, reasons))
    report.unseen = _unseen(here, reasons)
    report.unjudged, report.notes = there.unjudged, there.notes
    report.extra += [str(topic) for topic in there.topics if topic not in here.topics]
    return report


def count_unconfirmed(reports: Sequence[DriftReport], strict: bool) -> list[str]:
    """The topics of the contract that no source confirms; when strict, each is a difference in all of them."""
    everywhere = [set(report.unconfirmed) for report in reports]
    missing = [name for name in reports[0].unconfirmed if all(name in other for other in everywhere)]
    if strict:
        for report in reports:
            report.differences += [ContractDifference(name, "declared", "(not seen)") for name in missing]
    return missing


def _unseen(here: Facts, reasons: dict[Topic, str]) -> list[str]:
    """One line for each topic that is not confirmed, or for a whole kind when all of it is for the same reason."""
    lines: dict[str, None] = {}
    for topic in reasons:
        of_kind = [other for other in here.topics if other.kind == topic.kind and other not in NOT_ON_THE_WIRE]
        whole_kind = len({reasons.get(other) for other in of_kind}) == 1
        lines[f"{topic.kind if whole_kind else topic}: {reasons[topic]}"] = None
    return list(lines)


def show(value: Value) -> str:
    """A value as it stands in a row: one line, cut where it is long."""
    text = escaped(_written(value))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text)} characters)"


def escaped(text: str) -> str:
    """Text with its control characters written out, so that it is one line and moves no cursor."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _written(value: Value) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            return str(np.float32(value)).removesuffix(".0")
    return str(value)


def check_document(document: SchemaDocument, source: str) -> DriftReport:
    """Compares a schema, in the plain or the richer form, with this workspace.

    Raises:
        StorytellerError: a golden vector's input is not one.
    """
    there = document_facts(document)
    add_vector_facts(there, document)
    try:
        return compare(_our_facts(document), there, source)
    except StorytellerError as error:
        raise StorytellerError(f"{source}: {error}") from error


def check_file(path: StrPath) -> DriftReport:
    """Compares the schema in a JSON file.

    Raises:
        StorytellerError: the file cannot be read or is no schema.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise StorytellerError(
            f"{path}: cannot be read: {error.strerror}; expected the engine's schema JSON"
        ) from error
    if len(content) > MAX_JSON_BYTES:
        raise StorytellerError(f"{path}: larger than {MAX_JSON_BYTES} bytes; the engine's schema JSON has some 100 KB")
    return check_document(read_document(content, str(path)), f"the engine's JSON {path}")


def check_reference() -> DriftReport:
    """Compares the committed schema of the Rust reference crate, for when there is no engine at hand."""
    return check_document(reference_document(), "the committed schema of the Rust reference crate")


def check_rust(repository: StrPath) -> DriftReport:
    """Compares the Rust source below a folder.

    Raises:
        StorytellerError: the folder holds no Rust, or not the engine's.
    """
    repository = Path(repository)
    # Imported here: nothing else needs the parser.
    from storyteller_schema.drift.rust_facts import rust_facts
    from storyteller_schema.drift.rust_source import RustSource

    rust = RustSource.read(repository)
    return compare(_our_facts(), rust_facts(rust), f"the Rust source in {repository} ({len(rust.files)} files)")


def _our_facts(inputs: SchemaDocument | None = None) -> Facts:
    """This workspace's facts; the golden vectors are made from the inputs of another document."""
    ours = rich_document()
    facts = document_facts(ours)
    # These stand even without inputs, so that a source that has none says so.
    facts.topics |= {ENCODE: {}, DECODE: {}}
    if inputs:
        add_vector_facts(facts, with_our_vectors(ours, inputs))
    return facts
