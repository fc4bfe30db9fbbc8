"""The fingerprints of the contract, and the JSON in which the engine and this workspace tell each other the contract.

The engine writes the plain form: sizes and regions. The richer form adds what the plain one cannot show: constants,
enum orders, one-hots, event labels, decode rules, and golden vectors that show behaviour instead of numbers.
"""

from __future__ import annotations

import codecs
from typing import Any

import msgspec

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract import constants, events
from storyteller_schema.contract.enums import WIRE_ENUMS
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.fingerprint import decode_rules, event_fingerprint, fingerprint
from storyteller_schema.contract.layout import Layout
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_schema.contract.scenario import Scenario


class RegionInfo(msgspec.Struct, frozen=True):
    """A region as the engine writes it."""

    name: str
    offset: int
    length: int
    #: Free text, for people; never compared.
    description: str = ""


class EventInfo(msgspec.Struct, frozen=True):
    """The labels of the text pipeline, in order, and the length at which texts are cut."""

    event_kinds: tuple[str, ...]
    bio_labels: tuple[str, ...]
    max_seq_length: int


class EncodeVector(msgspec.Struct, frozen=True):
    """A scenario and the features that one side's code makes of it."""

    scenario: Scenario
    features: tuple[float, ...]


class DecodeVector(msgspec.Struct, frozen=True):
    """Raw outputs and the prediction, as JSON, that one side's code reads from them; null stands for NaN."""

    outputs: tuple[float | None, ...]
    prediction: dict[str, Any]


class SchemaDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The contract as JSON. The first four keys are the plain form; what a richer form may add is None when absent."""

    input_size: int
    output_size: int
    input_regions: tuple[RegionInfo, ...]
    output_regions: tuple[RegionInfo, ...]
    fingerprint: str | None = None
    event_fingerprint: str | None = None
    constants: dict[str, int] | None = None
    #: Enum name to its variants, in wire order.
    enums: dict[str, tuple[str, ...]] | None = None
    #: Enum name to variant to its one-hot.
    one_hots: dict[str, dict[str, tuple[float, ...]]] | None = None
    decode_rules: dict[str, float] | None = None
    events: EventInfo | None = None
    golden_encode: tuple[EncodeVector, ...] | None = None
    golden_decode: tuple[DecodeVector, ...] | None = None


def _regions(layout: Layout) -> tuple[RegionInfo, ...]:
    return tuple(RegionInfo(r.name, r.offset, r.length, r.description) for r in layout.regions)


def one_hots() -> dict[str, dict[str, tuple[float, ...]]]:
    """The one-hot of every member of every enum: 1 at its position, 0 elsewhere."""
    return {
        enum.__name__: {
            member.value: tuple(float(position == member.position) for position in range(len(enum))) for member in enum
        }
        for enum in WIRE_ENUMS
    }


def plain_document() -> SchemaDocument:
    """The contract in the form that the engine exports: sizes and regions."""
    return SchemaDocument(
        input_size=FEATURES.size,
        output_size=PREDICTIONS.size,
        input_regions=_regions(FEATURES),
        output_regions=_regions(PREDICTIONS),
    )


def rich_document() -> SchemaDocument:
    """The contract with everything that can be compared."""
    return msgspec.structs.replace(
        plain_document(),
        fingerprint=fingerprint(),
        event_fingerprint=event_fingerprint(),
        constants=dict(constants.ENGINE_CONSTANTS),
        enums={enum.__name__: enum.labels() for enum in WIRE_ENUMS},
        one_hots=one_hots(),
        decode_rules=decode_rules(),
        events=EventInfo(events.EventKind.labels(), events.BIO_LABELS, events.MAX_SEQ_LENGTH),
    )


def write_document(document: SchemaDocument) -> str:
    """The JSON text, indented, ending in a line break."""
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def read_document(text: bytes, name: str) -> SchemaDocument:
    """Reads either form; keys that are not known here are left out.

    Args:
        text: JSON in UTF-8, with or without a byte order mark.
        name: what to call the source in an error.

    Raises:
        StorytellerError: not JSON, or a key is missing or holds a value of another type.
    """
    try:
        return msgspec.json.decode(text.removeprefix(codecs.BOM_UTF8), type=SchemaDocument)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise StorytellerError(
            f"{name}: not a schema as the engine or `storyteller-schema export` writes it: {error}"
        ) from error
