"""The charts of a character run's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from storyteller_schema.contract.rules import BINARY_CUT
from storyteller_trainer.runs.history import HistoryRow

from storyteller_exporter.evaluate.calibration import Calibration
from storyteller_exporter.evaluate.character_evaluation import CharacterReport
from storyteller_exporter.evaluate.character_slices import Slice
from storyteller_exporter.evaluate.row_figures import Floats
from storyteller_exporter.report.svg import FAINT, INK, SERIES, Canvas, Chart, bars, by_epoch, name_rows

#: Where the engine cuts a binary output: the probability of a raw value of BINARY_CUT.
ENGINE_CUT = float(1 / (1 + np.exp(-BINARY_CUT)))
#: Fields of the chart of importance.
FIELDS = 40


def curves(history: Sequence[HistoryRow], best_epoch: int | None, irreducible: Mapping[str, float]) -> list[Chart]:
    """Losses by epoch, what of each head is above the irreducible, and the learning rate.

    Args:
        history: at least one row.
        irreducible: `total` and the heads; empty where it is not known.
    """
    epochs = [row.epoch for row in history]
    canvas = Canvas()
    axes = canvas.axes
    axes.plot(epochs, [row.train.total for row in history], color=SERIES[1], label="training, while it learns")
    axes.plot(epochs, [row.validation.total for row in history], color=SERIES[0], label="validation")
    by_epoch(canvas, epochs)
    if irreducible:
        axes.axhline(irreducible["total"], color=INK, linestyle="--", linewidth=1, label="irreducible")
    if best_epoch:
        axes.axvline(best_epoch, color=FAINT, linestyle=":", linewidth=1.2, label="best epoch")
    last = history[-1]
    found = [
        canvas.chart(
            "Loss by epoch",
            f"Weighted loss. The last of {len(history)} epochs: training {last.train.total:.4f}, validation "
            f"{last.validation.total:.4f}"
            + (f"; no model can be below {irreducible['total']:.4f} on average." if irreducible else "."),
        )
    ]
    canvas = Canvas()
    axes = canvas.axes
    for color, head in zip(SERIES, HEADS, strict=False):
        floor = irreducible.get(head, 0.0)
        axes.plot(epochs, [row.validation.heads[head] - floor for row in history], color=color, label=head)
    axes.set_yscale("symlog", linthresh=1e-3)
    by_epoch(canvas, epochs)
    what = "above the irreducible one" if irreducible else "unweighted"
    found.append(
        canvas.chart(
            "Excess loss of each head" if irreducible else "Loss of each head",
            f"Validation loss of each head, {what}, on a logarithmic scale: what is still to be learned.",
        )
    )
    canvas = Canvas(height=2.0)
    canvas.axes.plot(epochs, [row.learning_rate for row in history], color=SERIES[0])
    by_epoch(canvas, epochs)
    highest = max(row.learning_rate for row in history)
    caption = f"Of the last step of each epoch: at most {highest:.2g}, at the end {last.learning_rate:.2g}."
    return [*found, canvas.chart("Learning rate", caption)]


def reliability(report: CharacterReport) -> list[Chart]:
    """Stated probability against what happens, a chart for each field with probabilities."""
    return [_reliability(name, found) for name, found in report.calibration.items()]


def _reliability(name: str, found: Calibration) -> Chart:
    binary = PREDICTIONS[name.partition(".")[0]].field(name.partition(".")[2]).kind is Kind.BINARY
    canvas = Canvas(grid="both")
    axes = canvas.axes
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
    total = sum(each.count for each in found.bins)
    sizes = [12 + 160 * each.count / total for each in found.bins]
    across, up = [each.probability for each in found.bins], [each.share for each in found.bins]
    axes.plot(across, up, color=SERIES[0], linewidth=1)
    axes.scatter(across, up, s=sizes, color=SERIES[0], alpha=0.75)
    if binary:
        axes.axvline(0.5, color=SERIES[1], linewidth=1, label="even odds: 0.5")
        axes.axvline(ENGINE_CUT, color=SERIES[2], linewidth=1, label=f"the engine's cut: {ENGINE_CUT:.3f}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("probability of a 1" if binary else "probability of what is predicted")
    axes.set_ylabel("share that is 1" if binary else "share that is right")
    caption = f"Expected calibration error {found.ece:.4f}. On the dashed line a probability is what it says; "
    return canvas.chart(f"Calibration of {name}", caption + "larger points stand for more predictions.")


def fields_that_matter(fields: Mapping[str, Mapping[str, float]]) -> Chart:
    """The fields whose shuffling costs most."""
    shown = dict(list(fields.items())[:FIELDS])
    return bars(
        f"The {len(shown)} fields that matter most",
        "How much the weighted loss rises when the field is shuffled among the examples.",
        list(shown),
        {"rise of the loss": [rise["total"] for rise in shown.values()]},
        label="rise of the weighted loss",
    )


def shares(labels: Floats, report: CharacterReport) -> list[Chart]:
    """How often each class is labelled, and how often it is predicted, on the judged examples."""
    found = []
    for name, field in report.metrics.categorical.items():
        counts = np.array(field.confusion, float)
        total = max(counts.sum(), 1.0)
        missing = len(labels) - int(labels[:, PREDICTIONS.span(name)].any(axis=1).sum())
        left = f" {missing:,} examples without a label are left out." if missing else ""
        found.append(
            bars(
                f"Classes of {name}",
                f"How often each is labelled, and how often predicted.{left}",
                list(field.classes),
                {"labelled": (counts.sum(1) / total).tolist(), "predicted": (counts.sum(0) / total).tolist()},
                label="share of the examples",
            )
        )
    return found


def cell_sizes(cells: NDArray[np.integer]) -> Chart:
    """How many examples a cell has."""
    sizes = np.bincount(np.unique(cells, return_inverse=True)[1])
    counts = np.bincount(sizes)
    canvas = Canvas(height=2.2)
    places = np.flatnonzero(counts)
    canvas.axes.bar(places, counts[places], color=SERIES[0])
    canvas.axes.set_xlabel("examples of a cell")
    canvas.axes.set_ylabel("cells")
    canvas.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    caption = f"{len(sizes):,} cells of {sizes.min()} to {sizes.max()} examples, {sizes.mean():.1f} on average."
    return canvas.chart("Examples of a cell", caption)


def slice_losses(kind: str, found: Sequence[Slice], overall: float) -> Chart:
    """The loss of each slice of a kind with its interval, beside that of all examples."""
    canvas = Canvas(height=0.85 + 0.2 * len(found), grid="x")
    axes = canvas.axes
    for row, one in enumerate(found):
        if one.loss.low is not None and one.loss.high is not None:
            axes.plot([one.loss.low, one.loss.high], [row, row], color=SERIES[0], linewidth=2)
        axes.plot([one.loss.value], [row], "o", color=SERIES[1] if one.weak else SERIES[0], markersize=5)
    axes.axvline(overall, color=INK, linestyle="--", linewidth=1)
    name_rows(axes, [one.name for one in found])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("weighted loss")
    worst = found[0]
    return canvas.chart(
        f"Loss by {kind}",
        f"With 95 % intervals; the dashed line is the loss of all. Highest: {worst.name}, {worst.loss.value:.3f}.",
    )
