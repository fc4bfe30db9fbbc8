"""The verification of one file, whatever model is in it: the one order in which everything is checked."""

from __future__ import annotations

from pathlib import Path

from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import StorytellerError, first_line

from storyteller_exporter.checks.family import Family, OpenFamily, Real
from storyteller_exporter.checks.floors import Floors, check_scores
from storyteller_exporter.checks.inspection import Inspection, inspect, size_of
from storyteller_exporter.checks.notes import check_notes
from storyteller_exporter.checks.parity import Predictor, check_behaviour, compare_all
from storyteller_exporter.checks.precision import check_precision
from storyteller_exporter.checks.verification_report import PYTORCH, Status, Verification
from storyteller_exporter.onnx.metadata_props import exporter_versions
from storyteller_exporter.sandbox.limits import Limits
from storyteller_exporter.sandbox.process import Sandbox

#: What every limit and floor is, where nobody names another.
USUAL = Limits()
NO_FLOORS = Floors()


def verify_as(
    file: Path, open_family: OpenFamily, *, limits: Limits = USUAL, floors: Floors = NO_FLOORS
) -> Verification:
    """Checks a file as one of the family that `open_family` makes.

    A check that breaks has failed, and the rest goes on. The file, and the tokenizer beside it, are read and run in a
    process of their own, within limits.
    """
    report = Verification(file=str(file), versions=exporter_versions())
    size = size_of(file, report)
    if size is None:
        return report
    with Sandbox(limits.for_file(size)) as sandbox:
        with ending_at_once():
            import torch  # noqa: F401  takes seconds, in which the sandbox's process imports what it needs
        inspection = inspect(file, size, sandbox, report)
        if inspection is not None and inspection.interface is not None:
            try:
                family = open_family(inspection, report)
            except StorytellerError as error:
                report.add("runs", Status.FAILED, f"not tried: {error}")
                return report
            _verify(inspection, family, report, floors)
    return report


def _verify(inspection: Inspection, family: Family, report: Verification, floors: Floors) -> None:
    reference: Predictor | None = None
    real = Real(0, "it could not be read")
    rounded = False
    with report.isolated("checkpoint"):
        reference = family.reference()
    with report.isolated("data"):
        real = family.data()
    with report.isolated("notes"):
        check_notes(report, family.notes)
    with report.isolated("precision"):
        rounded = check_precision(report, inspection.facts)
    if inspection.model is None:
        report.add("runs", Status.SKIPPED, "not tried: it cannot be loaded")
    elif not inspection.takes_inputs:
        report.add("runs", Status.FAILED, "not tried: it does not take the inputs that the engine gives")
    else:
        with report.isolated("runs"):
            _run(inspection, inspection.model, family, reference, real, report, rounded=rounded)
    with report.isolated("scores of the run"):
        report.scores = family.scores()
        check_scores(report, floors)


def _run(
    inspection: Inspection,
    predict: Predictor,
    family: Family,
    reference: Predictor | None,
    real: Real,
    report: Verification,
    *,
    rounded: bool,
) -> None:
    assert inspection.interface is not None
    ran = check_behaviour(report, predict, family.cases(), inspection.interface)
    with report.isolated("decodes"):
        family.check(predict, ran)
    if not rounded:
        if reference is None:
            report.add(PYTORCH, Status.UNJUDGED, "no checkpoint to compare with (--checkpoint)")
        with report.isolated("parity"):
            compare_all(report, predict, reference, ran, atol=family.atol, rtol=family.rtol)
        return
    if inspection.facts.rounds_batches:
        detail = "this file rounds a batch as a whole, so its rows differ a little from the same rows one by one"
        report.add("batch against singles", Status.SKIPPED, detail)
    else:
        with report.isolated("parity"):
            compare_all(report, predict, None, ran, atol=family.atol, rtol=family.rtol)
    _check_quality(report, family, predict, reference, real)


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
