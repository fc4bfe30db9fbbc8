"""The page of a comparison: the curves of both runs in one chart, the figures, and the options that differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from storyteller_trainer.runs.history import HistoryRow

from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.comparison_texts import HEADINGS, MOODS, figure_row, verdict_line, what_is_better
from storyteller_exporter.report.page import render
from storyteller_exporter.report.svg import SERIES, Canvas, Chart, by_epoch

#: Both models, in order.
SIDES = ("first", "second")


def comparison_page(
    title: str,
    comparison: Comparison,
    options: Mapping[str, tuple[Any, Any]],
    histories: Mapping[str, Sequence[Sequence[HistoryRow]]],
) -> str:
    """
    Args:
        options: those that differ.
        histories: by what was trained (`character`, or a task of the event models), of both; empty for a model whose
            run is not known.
    """
    return render(
        "comparison.html",
        title=title,
        subtitle=f"first: {comparison.first.file}; second: {comparison.second.file}",
        parts=[("verdict", "Verdict"), ("curves", "Curves"), ("figures", "Figures"), ("options", "Options")],
        version=version("storyteller-exporter"),
        verdict=verdict_line(comparison),
        mood=MOODS[comparison.outcome],
        notices=comparison.notices,
        source=comparison.source,
        unit=comparison.unit,
        figures_title=what_is_better(comparison).capitalize(),
        curves=[chart for what, sides in histories.items() if any(sides) for chart in _overlaid(what, sides)],
        headings=HEADINGS,
        rows=[figure_row(one) for one in comparison.figures],
        options=[[name, str(first), str(second)] for name, (first, second) in options.items()],
    )


def _overlaid(what: str, histories: Sequence[Sequence[HistoryRow]]) -> list[Chart]:
    charts = []
    heads = next(rows for rows in histories if rows)[0].validation.heads
    for name in ("total", *heads):
        if name == what:  # the only head, which the total is
            continue
        canvas = Canvas()
        for side, color, rows in zip(SIDES, SERIES, histories, strict=False):
            values = [
                row.validation.total if name == "total" else row.validation.heads.get(name, math.nan) for row in rows
            ]
            if rows:
                canvas.axes.plot([row.epoch for row in rows], values, color=color, label=side)
        canvas.axes.set_yscale("log")
        by_epoch(canvas, sorted({row.epoch for rows in histories for row in rows}))
        told = f"Weighted validation loss: {what}" if name == "total" else f"Validation loss of {name}"
        charts.append(canvas.chart(told, "By epoch, on a logarithmic scale."))
    return charts
