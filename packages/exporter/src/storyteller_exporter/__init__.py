"""Checkpoint in, ONNX file that the engine loads out: export, verification, evaluation; see docs/python.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storyteller_schema.lazy import public

if TYPE_CHECKING:
    from storyteller_exporter.character import export_character
    from storyteller_exporter.engine_events import EngineEvents, Padding
    from storyteller_exporter.events import export_events
    from storyteller_exporter.findings import Verification
    from storyteller_exporter.verify import verify as verify_onnx
    from storyteller_exporter.verify import verify_file, write_report

    __version__: str

__all__ = [
    "EngineEvents",
    "Padding",
    "Verification",
    "__version__",
    "export_character",
    "export_events",
    "verify_file",
    "verify_onnx",
    "write_report",
]

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__, __dir__ = public(
        __name__,
        {
            "export_character": "character",
            "EngineEvents": "engine_events",
            "Padding": "engine_events",
            "export_events": "events",
            "Verification": "findings",
            "verify_file": "verify",
            "verify_onnx": "verify:verify",
            "write_report": "verify",
        },
    )
