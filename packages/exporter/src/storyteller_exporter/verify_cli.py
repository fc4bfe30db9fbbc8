"""The command `verify-onnx`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Column, Table
from storyteller_schema.console import command, err, json_option, out, print_json
from storyteller_schema.settings import model_path

if TYPE_CHECKING:
    from storyteller_exporter.findings import Verification

STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


@command("verify-onnx")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--events", is_flag=True, help="Where PATH is not given: the folder event_classifier.")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="The run, or folder of runs, that PATH was exported from."
)
@click.option("--data", type=click.Path(path_type=Path), help="JSONL of the kind the model was trained on: real rows.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the report goes [default: verification.json beside the file or in the folder].",
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
    path = path or model_path() / ("event_classifier" if events else "character_predictor.onnx")
    from storyteller_exporter import findings, verify  # ONNX Runtime takes a while to import

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
        err.print(f"report: {target}", markup=False)
    if not all(report.passed for report in reports):
        sys.exit(1)


def show(report: Verification) -> None:
    """Prints the checks, then the worst difference of each output in each case, then the verdict."""
    checks = Table("check", "", Column("found", overflow="fold"), box=None, header_style="bold")
    for check in report.checks:
        style = STYLES[check.status]
        checks.add_row(check.name, f"[{style}]{check.status}[/]", escape(check.detail))
    out.print(checks)
    if report.differences:
        out.print()
        out.print(differences_table(report))
        for failed in (difference for difference in report.differences if not difference.passed):
            where = f"{failed.case}, against {failed.against}, {failed.output} {failed.detail}"
            out.print(f"[bold red]failed[/] {escape(where)}")
    if report.changes:
        out.print()
        out.print(changes_table(report))
    verdict = "[bold green]passed[/]" if report.passed else "[bold red]FAILED[/]"
    out.print(f"\n{escape(report.file)}: {verdict}\n")


def differences_table(report: Verification) -> Table:
    """A row for each comparison, a column for each output, in each cell the largest absolute difference."""
    outputs = list(dict.fromkeys(difference.output for difference in report.differences))
    table = Table("case", "against", "atol", *outputs, box=None, header_style="bold")
    table.title = f"largest absolute difference; allowed: atol + {report.rtol:g} x largest value of the row"
    table.title_justify = "left"
    cells = {(entry.case, entry.against, entry.output): entry for entry in report.differences}
    for case, against, atol in dict.fromkeys((entry.case, entry.against, entry.atol) for entry in report.differences):
        row = []
        for output in outputs:
            entry = cells.get((case, against, output))
            value = "" if entry is None else "none" if entry.worst is None else f"{entry.worst:.1e}"
            row.append(value if entry is None or entry.passed else f"[bold red]{value}[/]")
        table.add_row(escape(case), against, f"{atol:g}", *row)
    return table


def changes_table(report: Verification) -> Table:
    """A row for each figure: before, after, and by how much it may get worse."""
    table = Table("figure", "PyTorch", "this file", "change", "allowed", box=None, header_style="bold")
    for change in report.changes:
        style = "" if change.passed else "[bold red]"
        difference = f"{style}{change.found - change.reference:+.4f}"
        table.add_row(change.name, f"{change.reference:.4f}", f"{change.found:.4f}", difference, f"{change.limit:g}")
    return table
