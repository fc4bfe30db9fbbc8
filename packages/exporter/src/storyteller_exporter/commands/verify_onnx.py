"""The command `verify-onnx`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import WrongValue
from storyteller_schema.common.hints import hint
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_trainer.reading.jsonl import check_file

from storyteller_exporter.commands.places import (
    INT8,
    is_own,
    models_folder,
    models_option,
    refuse_both,
    unjudged_option,
)
from storyteller_exporter.events.named_folders import require_folder_of
from storyteller_exporter.sandbox.limits import MEMORY, TIME, Limits

if TYPE_CHECKING:
    from rich.table import Table

    from storyteller_exporter.checks.verification_report import Verification

STYLES = {
    "ok": "green",
    "warning": "yellow",
    "failed": "bold red",
    "skipped": "dim",
    "not judged": "bold yellow",
    "passed": "bold green",
}
FAILED = STYLES["failed"]
CHECKED = "What is checked"
LIMITED = "What a file may take"
COMES_OUT = "What comes out"
POSITIVE = click.FloatRange(min=0, min_open=True, max=1e9)
SHARE = click.FloatRange(0, 1)


@command("verify-onnx")
@click.argument("path", type=INPUT, required=False)
@option("--events", is_flag=True, help="In place of PATH: the folder event_classifier.", section=CHECKED)
@option(
    "--int8",
    is_flag=True,
    help=f"In place of PATH: the file or folder in the folder {INT8} of the models.",
    section=CHECKED,
)
@models_option(section=CHECKED)
@option("--checkpoint", type=INPUT, help="The run, or folder of runs, that PATH was exported from.", section=CHECKED)
@option(
    "--data",
    type=INPUT,
    help="JSONL of the kind the model was trained on, for real rows [default: what the run of --checkpoint held out].",
    section=CHECKED,
)
@option(
    "--max-loss", type=POSITIVE, help="Fail a character model whose validation loss is above this.", section=CHECKED
)
@option("--min-f1", type=SHARE, help="Fail an event model one of whose F1 scores is below this.", section=CHECKED)
@unjudged_option(section=CHECKED)
@option(
    "--time-limit",
    type=POSITIVE,
    metavar="SECONDS",
    help=f"For reading, checking and loading a file each, and for all its runs together [default: {TIME}].",
    section=LIMITED,
)
@option(
    "--memory-limit",
    type=POSITIVE,
    metavar="GIB",
    help=f"Of the process in which a file is read and run; not enforced on macOS [default: {MEMORY}].",
    section=LIMITED,
)
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Where the report goes [default: verification.json beside the file, if it lies in the folder of the models].",
    section=COMES_OUT,
)
@json_option
def main(
    path: Path | None,
    events: bool,
    int8: bool,
    models: Path | None,
    checkpoint: Path | None,
    data: Path | None,
    output: Path | None,
    max_loss: float | None,
    min_f1: float | None,
    allow_unjudged: bool,
    time_limit: float | None,
    memory_limit: float | None,
    as_json: bool,
) -> None:
    """Check ONNX files as the engine will use them: interface, completeness, parity with PyTorch.

    PATH is a file, or a folder of files that the engine loads together. By default it is character_predictor.onnx in
    --models. Every file is read and run in a process of its own, within limits. The exit code is 1 when anything
    failed, all of which is listed, and when nothing says whether the numbers are right: without --checkpoint, and for
    an int8 file without data. Outside of --models nothing is written but what --output names.

    \b
    Examples:
      verify-onnx artifacts/models/character_predictor.onnx --checkpoint artifacts/character
      verify-onnx artifacts/models/event_classifier --checkpoint artifacts/events
    """
    refuse_both(path, "PATH", events=events, int8=int8, models=models)
    usual = models_folder(models, int8=int8)
    path = path or usual / ("event_classifier" if events else "character_predictor.onnx")
    _check(path, checkpoint, data, output)
    with ending_at_once():  # ONNX Runtime takes a while
        from storyteller_exporter.checks import verification_report
        from storyteller_exporter.checks.floors import Floors
        from storyteller_exporter.verify import verification

    memory = None if memory_limit is None else int(memory_limit * 2**30)
    reports = verification.verify(
        path,
        checkpoint=checkpoint,
        data=data,
        limits=Limits(time_limit, memory),
        floors=Floors(max_loss, min_f1),
    )
    if as_json:
        print_json(verification_report.as_json(reports))
    else:
        for report in reports:
            show(report)
    if output is None and is_own(path, usual):
        output = (path if path.is_dir() else path.parent) / verification.REPORT_NAME
    # Where there is no file to report on, nothing is left but what is printed.
    if not any(report.sha256 for report in reports):
        err.print(f"no report is written: {reports[0].checks[0].detail}")
    elif output is None:
        err.print(f"no report is written: {path} lies outside of {usual}; --output FILE writes one")
    else:
        verification.write_report(reports, output)
        err.print(f"report: {output}")
    verdict = verification_report.overall(reports)
    if verdict is verification_report.Verdict.FAILED or (
        verdict is verification_report.Verdict.UNJUDGED and not allow_unjudged
    ):
        sys.exit(1)


def _check(path: Path, checkpoint: Path | None, data: Path | None, output: Path | None) -> None:
    """What can be known to be wrong before anything is imported.

    Raises:
        WrongValue: naming the argument.
    """
    if not path.exists():
        export = hint("export-event-classifier" if path.name.endswith("_classifier") else "export-character-model")
        raise WrongValue(f"{path}: no such file or folder; export a model first (`{export}`), or name another", "path")
    if checkpoint is not None and not checkpoint.exists():
        raise WrongValue(f"{checkpoint}: no such run; name the one that {path} was exported from", "checkpoint")
    if data is not None:
        with judging("data"):
            check_file(data)
    if output is not None:
        with judging("output"):
            require_folder_of(output)


def show(report: Verification) -> None:
    """Prints the checks, then the worst difference of each output in each case, then the verdict."""
    from rich.table import Column, Table
    from rich.text import Text

    checks = Table("check", "", Column("found", overflow="fold"), box=None, header_style="bold")
    for check in report.checks:
        checks.add_row(check.name, Text(check.status, STYLES[check.status]), check.detail)
    out.print(checks)
    if report.differences:
        out.print()
        out.print(differences_table(report))
        for failed in (difference for difference in report.differences if not difference.passed):
            where = f"{failed.case}, against {failed.against}, {failed.output} {failed.detail}"
            out.print(Text("failed", FAILED), where)
    if report.changes:
        out.print()
        out.print(changes_table(report))
    verdict = "FAILED" if report.verdict == "failed" else report.verdict
    out.print(Text.assemble(f"\n{report.file}: ", (verdict, STYLES[report.verdict]), "\n"))


def differences_table(report: Verification) -> Table:
    """A row for each comparison, a column for each output, in each cell the largest absolute difference."""
    outputs = list(dict.fromkeys(difference.output for difference in report.differences))
    from rich.table import Table
    from rich.text import Text

    table = Table("case", "against", "atol", *outputs, box=None, header_style="bold")
    table.title = f"largest absolute difference; allowed: atol + {report.rtol:g} x largest value of the row"
    table.title_justify = "left"
    cells = {(entry.case, entry.against, entry.output): entry for entry in report.differences}
    for case, against, atol in dict.fromkeys((entry.case, entry.against, entry.atol) for entry in report.differences):
        row = []
        for output in outputs:
            entry = cells.get((case, against, output))
            value = "" if entry is None else "none" if entry.worst is None else f"{entry.worst:.1e}"
            row.append(Text(value, "" if entry is None or entry.passed else FAILED))
        table.add_row(case, against, f"{atol:g}", *row)
    return table


def changes_table(report: Verification) -> Table:
    """A row for each figure: before, after, and by how much it may get worse."""
    from rich.table import Table
    from rich.text import Text

    table = Table("figure", "PyTorch", "this file", "change", "allowed", box=None, header_style="bold")
    for change in report.changes:
        difference = Text(f"{change.found - change.reference:+.4f}", "" if change.passed else FAILED)
        table.add_row(change.name, f"{change.reference:.4f}", f"{change.found:.4f}", difference, f"{change.limit:g}")
    return table
