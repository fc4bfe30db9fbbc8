"""Verification of an exported file: everything that can be checked about it, reported as a whole."""

from __future__ import annotations

import json
from pathlib import Path

from storyteller_schema.errors import StorytellerError
from storyteller_schema.files import write_atomic

from storyteller_exporter.findings import Status, Verification
from storyteller_exporter.inspection import inspect
from storyteller_exporter.interface import CHARACTER
from storyteller_exporter.notes import exporter_versions

#: The name of the report beside the file.
REPORT_NAME = "verification.json"


def verify(file: Path, *, checkpoint: Path | None = None, data: Path | None = None) -> Verification:
    """Checks a file against the interface it resembles, and against its checkpoint where one is given.

    A problem does not end the verification: whatever can still be checked is. Without a checkpoint, all that needs
    none is checked, on any file, whoever made it.

    Args:
        file: the ONNX file.
        checkpoint: the run folder or checkpoint file that it was exported from.
        data: JSONL of the kind the model was trained on; adds real rows.
    """
    report = Verification(file=str(file), versions=exporter_versions())
    inspection = inspect(file, report)
    if inspection is None or inspection.interface is None or inspection.session is None:
        return report
    if not inspection.runnable:
        report.add("runs", Status.FAILED, "not tried: it does not take the inputs that the engine gives")
        return report
    if inspection.interface is CHARACTER:
        from storyteller_exporter.character_verify import verify_character

        verify_character(inspection, report, checkpoint=checkpoint, data=data)
    return report


def write_report(report: Verification, target: Path) -> None:
    """Writes the report as JSON.

    Raises:
        StorytellerError: the folder is not there or cannot be written to.
    """
    if not target.parent.is_dir():
        raise StorytellerError(f"{target}: there is no folder {target.parent}; name another place with --output")
    try:
        write_atomic(target, json.dumps(report.as_json(), indent=2, allow_nan=False) + "\n")
    except StorytellerError as error:
        raise StorytellerError(f"the report could not be written: {error} (--output FILE)") from error
