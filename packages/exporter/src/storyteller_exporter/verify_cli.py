"""The command `verify-onnx`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from storyteller_schema.console import command, err, out, print_json
from storyteller_schema.ctrl_c import importing
from storyteller_schema.errors import WrongValue
from storyteller_schema.hints import hint
from storyteller_schema.options import INPUT, OUTPUT_FILE, json_option, judging, option, refuse_beside
from storyteller_schema.settings import model_path
from storyteller_trainer.source import check_file

from storyteller_exporter.folder import require_folder_of

if TYPE_CHECKING:
    from rich.table import Table

    from storyteller_exporter.findings import Verification

STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}
FAILED = STYLES["failed"]


@command("verify-onnx")
@click.argument("path", type=INPUT, required=False)
@option(
    "--events", is_flag=True, help="Where PATH is not given: the folder event_classifier.", section="What is checked"
)
@option(
    "--checkpoint",
    type=INPUT,
    help="The run, or folder of runs, that PATH was exported from.",
    section="What is checked",
)
@option(
    "--data",
    type=INPUT,
    help="JSONL of the kind the model was trained on: real rows.",
    section="What is checked",
)
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Where the report goes [default: verification.json beside the file or in the folder].",
    section="What comes out",
)
@json_option
def main(
    path: Path | None, events: bool, checkpoint: Path | None, data: Path | None, output: Path | None, as_json: bool
) -> None:
    """Check ONNX files as the engine will use them: interface, completeness, parity with PyTorch.

    PATH is a file, or a folder of files that the engine loads together. By default it is character_predictor.onnx in
    STORYTELLER_MODEL_PATH or artifacts/models. Without --checkpoint everything is checked that needs none. The exit
    code is 1 when anything failed; all that failed is listed.

    \b
    Examples:
      verify-onnx artifacts/models/character_predictor.onnx --checkpoint artifacts/character
      verify-onnx artifacts/models/event_classifier --checkpoint artifacts/events
    """
    if path is not None:
        refuse_beside("PATH says what to check", "events")
    path = path or model_path() / ("event_classifier" if events else "character_predictor.onnx")
    _check(path, checkpoint, data, output)
    with importing():  # ONNX Runtime takes a while
        from storyteller_exporter import findings, verify

    reports = verify.verify(path, checkpoint=checkpoint, data=data)
    if as_json:
        print_json(findings.as_json(reports))
    else:
        for report in reports:
            show(report)
    folder = path if path.is_dir() else path.parent
    # Where the file's folder does not exist there is nothing to put a report beside.
    if output is not None or folder.is_dir():
        target = output or folder / verify.REPORT_NAME
        verify.write_report(reports, target)
        err.print(f"report: {target}")
    if not all(report.passed for report in reports):
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
    verdict = Text("passed", "bold green") if report.passed else Text("FAILED", FAILED)
    out.print(Text.assemble(f"\n{report.file}: ", verdict, "\n"))


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
