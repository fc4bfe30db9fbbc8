"""The report of `evaluate-character-model` for a person to read."""

from __future__ import annotations

from rich.table import Table
from storyteller_schema.common.console import out

from storyteller_exporter.evaluate.character_evaluation import CharacterReport
from storyteller_exporter.evaluate.character_slices import FEW_CELLS
from storyteller_exporter.evaluate.confusion import Confusion
from storyteller_exporter.evaluate.row_figures import DOMINANT
from storyteller_exporter.evaluate.tables import confusion_table, sided_table

#: Field to its column in the table of slices.
SHORT = {
    "action.type": "action",
    "action.context": "context",
    "speech.occurs": "speaks",
    "speech.register": "register",
    "thought.awareness": "awareness",
    DOMINANT: "dominant",
}


def show_character(report: CharacterReport) -> None:
    """Prints what was judged on what, then losses, accuracies, confusion, calibration, slices and mistakes."""
    model, data = report.model, report.data
    out.print(f"{model.file}: {model.bytes:,} bytes, {model.precision or 'precision not stated'}, {model.form}")
    out.print(f"{data.source}; judged on {data.examples:,} examples of {data.cells:,} cells")
    for notice in report.notices:
        out.print(f"note: {notice}")
    for part in (losses_table(report), accuracy_table(report)):
        out.print()
        out.print(part)
    for name, field in report.metrics.categorical.items():
        labels = list(field.classes)
        counts: Confusion = {
            label: dict(zip(labels, row, strict=True)) for label, row in zip(labels, field.confusion, strict=True)
        }
        out.print()
        out.print(confusion_table(name, counts, "labelled (rows) and predicted (columns)", last_is_extra=False))
    for part in (calibration_table(report), slices_table(report)):
        out.print()
        out.print(part)
    if report.mistakes:
        out.print("\nthe surest mistakes")
        for number, mistake in enumerate(report.mistakes, start=1):
            out.print(f"{number}. {mistake}")


def losses_table(report: CharacterReport) -> Table:
    """The total and the heads, beside what is irreducible."""
    table = sided_table("loss", "weight", "loss", "95 % interval", "irreducible", "excess", title="losses")
    for name, figure in report.losses.items():
        weight = report.head_weights.get(name)
        floor, excess = ("" if value is None else f"{value:.4f}" for value in (figure.irreducible, figure.excess))
        table.add_row(
            name,
            "" if weight is None else f"{weight:g}",
            f"{figure.loss.value:.4f}",
            figure.loss.reach(".4f"),
            floor,
            excess,
        )
    return table


def accuracy_table(report: CharacterReport) -> Table:
    """Every judged field beside its ceiling."""
    title = "accuracy, as the engine reads the outputs"
    table = sided_table("prediction", "accuracy", "95 % interval", "at even odds", "at best", title=title)
    for name, entry in report.accuracy.items():
        even = "" if entry.at_even_odds is None else f"{entry.at_even_odds.value:.1%}"
        best = "" if entry.ceiling is None else f"{entry.ceiling:.1%}"
        table.add_row(name, f"{entry.as_engine.value:.1%}", entry.as_engine.reach(".1%"), even, best)
    return table


def calibration_table(report: CharacterReport) -> Table:
    """The expected calibration error of every field with probabilities."""
    title = "calibration: mean distance of a stated probability from what happens (ECE)"
    table = sided_table("prediction", "ECE", title=title)
    for name, found in report.calibration.items():
        table.add_row(name, f"{found.ece:.4f}")
    return table


def slices_table(report: CharacterReport) -> Table:
    """Every slice, the highest loss of its kind first."""
    title = (
        "slices: loss and accuracies as the engine reads; ! marks what follows from the input and is read right less "
        f"often than elsewhere; ? fewer than {FEW_CELLS} cells"
    )
    table = sided_table("slice", "examples", "cells", "loss", "interval", *SHORT.values(), title=title)
    kind = ""
    for one in report.slices:
        if one.kind != kind:
            kind = one.kind
            table.add_row(kind, style="bold")
        cells = f"{one.cells:,}" + ("?" if one.cells < FEW_CELLS else "")
        figures = [
            f"{one.accuracy[field].value:.1%}{'!' if field in one.weak else ''}" if field in one.accuracy else "-"
            for field in SHORT
        ]
        loss = (f"{one.loss.value:.3f}", one.loss.reach(".3f"))
        table.add_row(f"  {one.name}", f"{one.examples:,}", cells, *loss, *figures)
    return table
