"""Checkpoint in, ONNX file that the engine loads out: export, verification, evaluation; see docs/python.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storyteller_schema.common.lazy import public

if TYPE_CHECKING:
    from storyteller_exporter.checks.verification_report import Verification
    from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding
    from storyteller_exporter.export.character import export_character
    from storyteller_exporter.export.events import export_events
    from storyteller_exporter.verify.verification import verify as verify_onnx
    from storyteller_exporter.verify.verification import verify_file, write_report

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
            "export_character": "export.character",
            "EngineEvents": "evaluate.engine_events",
            "Padding": "evaluate.engine_events",
            "export_events": "export.events",
            "Verification": "checks.verification_report",
            "verify_file": "verify.verification",
            "verify_onnx": "verify.verification:verify",
            "write_report": "verify.verification",
        },
    )
