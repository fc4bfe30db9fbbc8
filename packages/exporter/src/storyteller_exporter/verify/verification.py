"""Files, or folders of files, verified; and the report of it beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, write_atomic
from storyteller_schema.contract.onnx import INTERFACES, SETS

from storyteller_exporter.checks.family import Family
from storyteller_exporter.checks.floors import Floors
from storyteller_exporter.checks.inspection import Inspection
from storyteller_exporter.checks.spine import NO_FLOORS, USUAL, verify_as
from storyteller_exporter.checks.verification_report import Status, Verification, as_json
from storyteller_exporter.events.named_folders import require_folder_of
from storyteller_exporter.onnx.metadata_props import exporter_versions
from storyteller_exporter.sandbox.limits import Limits
from storyteller_exporter.verify.families import FAMILIES

#: The name of the report beside the file.
REPORT_NAME = "verification.json"


def verify(
    path: StrPath,
    *,
    checkpoint: StrPath | None = None,
    data: StrPath | None = None,
    limits: Limits = USUAL,
    floors: Floors = NO_FLOORS,
) -> list[Verification]:
    """Verifies one file, or all that the engine loads from a folder; a missing part of a set is a failure.

    Args:
        path: an ONNX file, or a folder with files under the engine's names.
        checkpoint: the run, checkpoint file, or folder of runs that it was exported from.
        data: JSONL of the kind the model was trained on; None for what the run of the checkpoint held out.
        limits: of time and memory, for each file.
        floors: what the models must be worth.
    """
    path = Path(path)
    if not path.is_dir():
        return [verify_file(path, checkpoint=checkpoint, data=data, limits=limits, floors=floors)]
    files = [
        path / interface.file_name
        for together in SETS
        if any((path / interface.file_name).exists() for interface in together)
        for interface in together
    ]
    if not files:
        report = Verification(file=str(path), versions=exporter_versions())
        names = ", ".join(interface.file_name for interface in INTERFACES)
        inside = sorted({file.parent for each in INTERFACES for file in path.glob(f"*/{each.file_name}")})
        advice = f"; name the folder that holds some: {inside[0]}" if inside else ""
        report.add("file", Status.FAILED, f"{path}: none of the engine's files is in this folder: {names}{advice}")
        return [report]
    return [verify_file(file, checkpoint=checkpoint, data=data, limits=limits, floors=floors) for file in files]


def verify_file(
    file: StrPath,
    *,
    checkpoint: StrPath | None = None,
    data: StrPath | None = None,
    limits: Limits = USUAL,
    floors: Floors = NO_FLOORS,
) -> Verification:
    """Checks a file against the interface it resembles, and against its checkpoint where one is given.

    A problem does not end the verification: whatever can still be checked is. Without a checkpoint, all that needs
    none is checked, on any file, whoever made it; but it is not judged then.

    Args:
        file: what to check.
        checkpoint: as in `verify`.
        data: likewise.
        limits: of time and memory, in which the file is read and run.
        floors: what the model must be worth.
    """
    run = None if checkpoint is None else Path(checkpoint)
    place = None if data is None else Path(data)

    def open_family(inspection: Inspection, report: Verification) -> Family:
        assert inspection.interface is not None
        return FAMILIES[inspection.interface](inspection, report, run, place)

    return verify_as(Path(file), open_family, limits=limits, floors=floors)


def report_text(reports: Sequence[Verification]) -> str:
    """The reports as JSON, as their file holds them."""
    return json.dumps(as_json(reports), indent=2, allow_nan=False) + "\n"


def write_report(reports: Sequence[Verification], target: StrPath) -> None:
    """Writes the reports as JSON.

    Raises:
        StorytellerError: the folder is not there or cannot be written to.
    """
    target = Path(target)
    require_folder_of(target)
    try:
        write_atomic(target, report_text(reports))
    except StorytellerError as error:
        raise StorytellerError(f"the report could not be written: {error} (--output FILE)") from error
