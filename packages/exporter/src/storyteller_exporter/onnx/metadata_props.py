"""The key-value notes inside a file: what made it, what it stands for, and how its numbers are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from storyteller_schema.contract.fingerprint import SCHEMA_VERSION
from storyteller_schema.contract.onnx import Interface

#: Every key begins with this, apart from whatever another tool notes in the same file.
PREFIX = "storyteller."
INTERFACE = f"{PREFIX}interface"
FINGERPRINT = f"{PREFIX}schema_fingerprint"
VERSION = f"{PREFIX}schema_version"
PARAMETERS = f"{PREFIX}parameters"
PRECISION = f"{PREFIX}precision"
DATA_HASH = f"{PREFIX}data_hash"
VERSIONS = f"{PREFIX}versions"
DECODING = f"{PREFIX}decoding"

FLOAT32 = "float32"
INT8 = "int8"


def as_json(value: Any) -> str:
    """Canonical JSON: the same value gives the same bytes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True)


def exporter_versions() -> dict[str, str]:
    """The versions that shape an export."""
    return {name: version(name) for name in ("storyteller-exporter", "torch", "onnx", "onnxruntime", "onnxscript")}


def common(
    interface: Interface, *, parameters: int, precision: str, data_hash: str, decoding: Mapping[str, Any]
) -> dict[str, str]:
    """The notes that every exported file carries; values are text, those with structure JSON."""
    return {
        INTERFACE: interface.name,
        FINGERPRINT: interface.fingerprint,
        VERSION: str(SCHEMA_VERSION),
        PARAMETERS: str(parameters),
        PRECISION: precision,
        DATA_HASH: data_hash,
        VERSIONS: as_json(exporter_versions()),
        DECODING: as_json(decoding),
    }
