"""The console command `storyteller-schema`: the contract as JSON, and the check against the engine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from storyteller_schema.common.console import err, group, out, print_json
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option

if TYPE_CHECKING:
    from storyteller_schema.drift import differences


@group("storyteller-schema")
def main() -> None:
    """The contract between the engine and this workspace.

    \b
    Example:
      storyteller-schema check --rust-repo ../storyteller
    """


@main.command()
@option("-o", "--output", type=OUTPUT_FILE, help="Write here, not to stdout.")
@option("--rich", is_flag=True, help="Add constants, enum orders, labels, decode rules and golden vectors.")
def export(output: Path | None, rich: bool) -> None:
    """Write the contract as JSON, in the form that the engine exports.

    \b
    Example:
      storyteller-schema export --rich -o schema.json
    """
    from storyteller_schema.common.files import write_atomic
    from storyteller_schema.contract.schema_json import plain_document, rich_document, write_document
    from storyteller_schema.drift.golden_vectors import reference_document, with_our_vectors

    text = write_document(with_our_vectors(rich_document(), reference_document()) if rich else plain_document())
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomic(output, text)
        err.print(f"Wrote {output}")


@main.command()
@click.argument("file", type=INPUT, required=False)
@option("--rust-repo", type=INPUT, help="The engine's repository: its Rust source is read.")
@option("--strict", is_flag=True, help="What no source shows is a difference too.")
@json_option
def check(file: Path | None, rust_repo: Path | None, strict: bool, as_json: bool) -> None:
    """Compare this workspace with the engine: its Rust source, its JSON (FILE), or both.

    The Rust source shows constants, enum orders, one-hots and event labels; JSON shows regions, and in its richer form
    everything. With neither, the committed schema of the Rust reference crate is compared. Ends with 1 when anything
    differs or nothing could be compared, with 2 when a source cannot be read or judged.

    \b
    Example:
      storyteller-schema check --rust-repo ../storyteller schema.json --strict
    """
    from storyteller_schema.drift import differences

    reports = []
    if rust_repo:
        with judging("rust_repo"):
            reports.append(differences.check_rust(rust_repo))
    if file:
        with judging("file"):
            reports.append(differences.check_file(file))
    reports = reports or [differences.check_reference()]
    missing = differences.count_unconfirmed(reports, strict)
    if as_json:
        print_json([{**asdict(report), "agrees": report.agrees} for report in reports])
    else:
        for report in reports:
            _print(report)
        if missing and not strict:
            topics = f"{len(missing)} topic{'s were' if len(missing) != 1 else ' was'}"
            out.print(f"{topics} not seen; --strict counts that as a difference.")
    if any(report.unjudged for report in reports):
        raise SystemExit(2)
    if not all(report.agrees for report in reports):
        raise SystemExit(1)


def _print(report: differences.DriftReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from storyteller_schema.drift import differences

    out.print(f"Compared with {report.source}")
    out.print("  covered:  " + (", ".join(f"{kind} ({count})" for kind, count in report.covered.items()) or "nothing"))
    for label, lines in (
        ("not seen", report.unseen),
        ("beyond the contract", report.extra),
        ("note", report.notes),
        ("cannot be judged", report.unjudged),
    ):
        for line in lines:
            out.print(f"  {label}:  {differences.escaped(line)}")
    if report.differences:
        table = Table("name", "here", "there")
        for row in report.differences:
            table.add_row(*map(Text, (differences.show(row.name), row.here, differences.escaped(row.there))))
        out.print(table)
    if report.agrees:
        out.print("No difference.")
        return
    count = len(report.differences)
    if count:
        out.print(f"{count} difference{'s' if count != 1 else ''}.")
    if report.unjudged:
        out.print(f"{len(report.unjudged)} of what is there cannot be judged.")
    if not report.covered:
        out.print("Nothing could be compared.")
