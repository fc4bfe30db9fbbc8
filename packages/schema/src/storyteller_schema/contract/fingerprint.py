"""The fingerprints of the contract: what caches, checkpoints and ONNX files carry, so that none is used for another."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from storyteller_schema.contract import events, rules
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Layout
from storyteller_schema.contract.predictions import PREDICTIONS

#: The version of the contract as a whole; a change of either fingerprint raises it.
SCHEMA_VERSION = 1


def _sha256(value: Any) -> str:
    """SHA-256, hex, of the canonical JSON: sorted keys, no spaces, ASCII."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _canonical(layout: Layout) -> list[dict[str, Any]]:
    """A layout without its descriptions, which are free text."""
    return [
        {
            "name": region.name,
            "offset": region.offset,
            "slots": region.slots if region.slot_labels is None else list(region.slot_labels),
            "fields": [
                {"name": f.name, "kind": f.kind, "labels": f.labels, "within_slot": region.within_slot(f.name).start}
                for f in region.fields
            ],
        }
        for region in layout.regions
    ]


def decode_rules() -> dict[str, float]:
    """The numbers in the rules by which the engine reads the outputs."""
    return {"binary_cut": rules.BINARY_CUT, "delta_floor": rules.DELTA_FLOOR}


@cache
def fingerprint() -> str:
    """Identifies the character contract: SHA-256, hex, of both layouts, their enum orders and the decode rules."""
    return _sha256(
        {
            "features": _canonical(FEATURES),
            "predictions": _canonical(PREDICTIONS),
            "decode": decode_rules(),
        }
    )


@cache
def event_fingerprint() -> str:
    """Identifies the event contract: SHA-256, hex, of event kinds, BIO labels, sequence length and threshold."""
    return _sha256(
        {
            "event_kinds": events.EventKind.labels(),
            "bio_labels": events.BIO_LABELS,
            "max_seq_length": events.MAX_SEQ_LENGTH,
            "event_threshold": events.EVENT_THRESHOLD,
        }
    )
