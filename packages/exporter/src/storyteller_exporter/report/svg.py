"""Charts as inline SVG: the page's colours, in light and in dark, and text that is text.

A chart is drawn in stand-in colours, each of which becomes a CSS variable of the page. The same figure gives the same
bytes: identifiers come from `svg.hashsalt`, and no date is written.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from storyteller_schema.common.one_line import one_line

#: Of a chart, in inches of 72 points; a page shows it about as wide as this is in CSS pixels at 1.33 to the point, so
#: that its text can be read on a telephone.
WIDTH = 3.9
HEIGHT = 2.8

#: Epochs up to which each is drawn as a point.
FEW_EPOCHS = 10

#: What is drawn in each of these has the page's own colour.
INK, GRID, FAINT, CARD = "#010101", "#020202", "#030303", "#040404"
#: Told apart by people who see no red or no green (Okabe and Ito), as the page defines them.
SERIES = ("#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04", "#0a0a05", "#0a0a06")
_VARIABLES = {INK: "var(--ink)", GRID: "var(--grid)", FAINT: "var(--faint)", CARD: "var(--card)"} | {
    color: f"var(--c{number})" for number, color in enumerate(SERIES, start=1)
}

#: Characters of a name beside a chart, which a longer one would leave no room.
NAME = 60
#: Of matplotlib.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "storyteller",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    # Lines run behind the words, and not through them.
    "legend.frameon": True,
    "legend.facecolor": CARD,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
}


@dataclass(frozen=True)
class Chart:
    """A chart of a page."""

    #: Above the chart, and its name for a screen reader.
    title: str
    #: What is to be seen, in words.
    caption: str
    #: Inline SVG, hidden from screen readers, which are given title, caption and the page's tables.
    svg: str


class Canvas:
    """One set of axes in the page's style; `chart` turns it into SVG."""

    def __init__(self, height: float = HEIGHT, grid: str = "y") -> None:
        """
        Args:
            height: in inches.
            grid: the axis whose lines are drawn: `x`, `y` or `both`.
        """
        with mpl.rc_context(_STYLE):
            self.figure = Figure(figsize=(WIDTH, height), layout="constrained")
            self.axes: Axes = self.figure.add_subplot()
            self.axes.grid(axis=grid)  # type: ignore[arg-type]

    def chart(self, title: str, caption: str) -> Chart:
        """The SVG, without anything that would need an address."""
        with mpl.rc_context(_STYLE), warnings.catch_warnings():
            if self.axes.get_legend_handles_labels()[0]:
                self.axes.legend()
            file = io.StringIO()
            # Letters that the font lacks here are the reader's browser's to show.
            warnings.simplefilter("ignore", UserWarning)
            self.figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return Chart(title, caption, _inline(file.getvalue(), title))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Writes a name, which may come from the data, at each place of the vertical axis."""
    axes.set_yticks(range(len(names)), [one_line(name, NAME) for name in names], parse_math=False)


def by_epoch(canvas: Canvas, epochs: Sequence[int]) -> None:
    """Has the horizontal axis count epochs, and lines of a few of them show each: of one there is no line.

    Args:
        epochs: at least one, ascending.
    """
    canvas.axes.set_xlabel("epoch")
    canvas.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(epochs) <= FEW_EPOCHS:
        canvas.axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        canvas.axes.set_xticks(epochs)
        for line in canvas.axes.get_lines():
            line.set_marker("o")
            line.set_markersize(3)


def _inline(text: str, title: str) -> str:
    """The SVG element alone, with the page's colours and its own identifiers."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    # Two figures have elements of the same name, and a page only one of each.
    prefix = re.sub(r"\W+", "-", title.lower()).strip("-")
    text = re.sub(r' id="', f' id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    # A hundredth of a point is finer than any screen; written text keeps its digits.
    text = re.sub(r'"[^"<>]*"', lambda quoted: re.sub(r"(\d\.\d\d)\d+", r"\1", quoted[0]), text)
    return re.sub(r"\n\s*", "\n", text).strip()


def bars(
    title: str,
    caption: str,
    names: Sequence[str],
    values: Mapping[str, Sequence[float]],
    *,
    label: str,
    highest: float | None = None,
) -> Chart:
    """Horizontal bars, a group for each name, from top to bottom.

    Args:
        values: legend to a value for each name.
        label: of the axis of values.
        highest: where that axis ends.
    """
    count = len(values)
    canvas = Canvas(height=0.75 + 0.17 * len(names) * max(count, 1) + 0.06 * len(names), grid="x")
    axes = canvas.axes
    thick = 0.8 / count
    for index, (legend, lengths) in enumerate(values.items()):
        places = [row + (index - (count - 1) / 2) * thick for row in range(len(names))]
        axes.barh(places, lengths, thick * 0.92, color=SERIES[index], label=legend if count > 1 else None)
    name_rows(axes, names)
    axes.set_ylim(len(names) - 0.4, -0.6)  # from top to bottom, without the room that a share of many rows would be
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    if highest is not None:
        axes.set_xlim(0, highest)
    return canvas.chart(title, caption)
