"""The verification of one file, whatever model is in it: the one order in which everything is checked."""

from __future__ import annotations

from pathlib import Path

from storyteller_schema.common.errors import StorytellerError, first_line

from storyteller_exporter.checks.family import Family, OpenFamily, Real
from storyteller_exporter.checks.inspection import inspect
from storyteller_exporter.checks.parity import Predictor, check_behaviour, compare_all, predictor
from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.onnx.metadata_props import exporter_versions


def verify_as(file: Path, open_family: OpenFamily) -> Verification:
    """Checks a file as one of the family that `open_family` makes; a problem does not end the verification."""
    report = Verification(file=str(file), versions=exporter_versions())
    inspection = inspect(file, report)
    if inspection is None or inspection.interface is None or inspection.session is None:
        return report
    if not inspection.runnable:
        report.add("runs", Status.FAILED, "not tried: it does not take the inputs that the engine gives")
        return report
    try:
        family = open_family(inspection, report)
    except StorytellerError as error:
        report.add("runs", Status.FAILED, f"not tried: {error}")
        return report
    predict = predictor(inspection.session)
    reference = family.reference()
    real = family.data()
    ran = check_behaviour(report, predict, family.cases(), rounds_batches=inspection.rounds_batches)
    family.check(predict, ran)
    if not inspection.quantised:
        if reference is None:
            report.add("PyTorch", Status.SKIPPED, "no checkpoint to compare with (--checkpoint)")
        compare_all(report, predict, reference, ran, atol=family.atol, rtol=family.rtol)
        return report
    if not inspection.rounds_batches:
        compare_all(report, predict, None, ran, atol=family.atol, rtol=family.rtol)
    _check_quality(report, family, predict, reference, real)
    return report


def _check_quality(
    report: Verification, family: Family, predict: Predictor, reference: Predictor | None, real: Real
) -> None:
    """Eight-bit weights give other numbers than PyTorch: what counts is what they are worth."""
    if reference is None or not real.judged:
        why = "no checkpoint to compare with" if reference is None else real.missing
        detail = f"{why}: int8 is judged by {family.judged_by} on {family.judged_on} (--checkpoint, --data)"
        report.add("quality", Status.UNJUDGED, detail)
        return
    try:
        report.changes = family.changes(predict, reference)
    except Exception as error:  # a wrong shape, reported already, or one that the runtime refuses
        report.add("quality", Status.FAILED, f"could not be judged: {first_line(error)}")
        return
    report.add("quality", Status.OK, f"judged on {real.judged:,} {family.judged_on}, one by one")
