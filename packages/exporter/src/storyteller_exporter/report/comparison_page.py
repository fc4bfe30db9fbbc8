"""The page of a comparison: the curves of both runs in one chart, the figures, and the options that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.runs.history import HistoryRow

from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.comparison_texts import HEADINGS, figure_row, verdict_line
from storyteller_exporter.report.page import render
from storyteller_exporter.report.svg import SERIES, Canvas, Chart

#: Both models, in order.
SIDES = ("first", "second")


def comparison_page(
    comparison: Comparison, options: Mapping[str, tuple[Any, Any]], histories: Sequence[Sequence[HistoryRow]]
) -> str:
    """
    Args:
        options: those that differ.
        histories: of both; empty for a model whose run is not known.
    """
    return render(
        "comparison.html",
        title="Two character models",
        subtitle=f"first: {comparison.first.file}; second: {comparison.second.file}",
        parts=[("verdict", "Verdict"), ("curves", "Curves"), ("figures", "Figures"), ("options", "Options")],
        version=version("storyteller-exporter"),
        verdict=verdict_line(comparison),
        mood={"better": "good", "worse": "bad"}.get(comparison.outcome, "warn"),
        notices=comparison.notices,
        source=comparison.source,
        curves=_overlaid(histories) if any(histories) else [],
        headings=HEADINGS,
        rows=[figure_row(one) for one in comparison.figures],
        options=[[name, str(first), str(second)] for name, (first, second) in options.items()],
    )


def _overlaid(histories: Sequence[Sequence[HistoryRow]]) -> list[Chart]:
    charts = []
    for name in ("total", *HEADS):
        canvas = Canvas()
        for side, color, rows in zip(SIDES, SERIES, histories, strict=False):
            values = [row.validation.total if name == "total" else row.validation.heads[name] for row in rows]
            if rows:
                canvas.axes.plot([row.epoch for row in rows], values, color=color, label=side)
        canvas.axes.set_yscale("log")
        canvas.axes.set_xlabel("epoch")
        what = "Weighted validation loss" if name == "total" else f"Validation loss of {name}"
        charts.append(canvas.chart(what, "By epoch, on a logarithmic scale."))
    return charts
