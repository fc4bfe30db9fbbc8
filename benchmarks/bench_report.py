"""The table of `bench.py`, for the terminal and for docs/performance.md, from nothing but its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
Results = dict[str, Any]


class Row(NamedTuple):
    """One line of the table, as text; a ratio above 1 always speaks for ours, but for the excess."""

    name: str
    reference: str
    ours: str
    ratio: str


def best_within(curve: Sequence[tuple[float, float]], seconds: float) -> float | None:
    """The lowest loss of the epochs that ended within so many seconds; the curve holds (seconds, loss)."""
    return min((loss for at, loss in curve if at <= seconds), default=None)


def time_to(curve: Sequence[tuple[float, float]], loss: float) -> float | None:
    """The seconds after which a loss was first reached, or None."""
    return next((at for at, reached in curve if reached <= loss), None)


def rows(results: Results) -> list[Row]:
    """The whole table."""
    theirs, ours, load = results["reference"], results["ours"], results["load"]
    target = theirs["best_val_loss"]
    equal = min(theirs["wall_s"], ours["wall_s"])
    lower = [best_within(side["curve"], equal) for side in (theirs, ours)]
    found = [
        _seconds("load cold, all checks (against the reference's reading)", load["reference"], load["cold"]),
        _seconds("load cold, all checks (against bare `json.loads` a line)", load["json.loads"], load["cold"]),
        _seconds("load warm (against the reference's reading)", load["reference"], load["warm"]),
        _seconds("load warm (against bare `json.loads` a line)", load["json.loads"], load["warm"]),
        _seconds("process start to first step, cold cache", theirs["first_step_s"], ours["first_step_s"]),
        _seconds("process start to first step, warm cache", theirs["first_step_s"], ours["warm_first_step_s"]),
        _seconds("time to the reference's best loss", time_to(theirs["curve"], target), time_to(ours["curve"], target)),
        _seconds(f"whole run ({theirs['epochs']} and {ours['epochs']} epochs)", theirs["wall_s"], ours["wall_s"]),
        _loss(f"best validation loss after {equal:.1f} s", *lower),
        _loss("best validation loss", theirs["best_val_loss"], ours["best_val_loss"]),
        _loss("loss of the best checkpoint on unseen cells", theirs["test_loss"], ours["test_loss"]),
        _share(
            f"its excess over the irreducible {results['data']['irreducible']:.4f}", theirs["excess"], ours["excess"]
        ),
        _rate("steps a second", theirs["steps_per_s"], ours["steps_per_s"]),
        _rate("examples a second", theirs["examples_per_s"], ours["examples_per_s"]),
        _amount("peak memory", theirs["peak_bytes"], ours["peak_bytes"]),
    ]
    for name, precision in (("float32", "float32"), ("INT8", "int8")):
        exported = results["export"][precision]
        found += [
            Row(f"export, {name}", "", f"{exported['export_s']:.2f} s", ""),
            Row(f"verify, {name}: {exported['verdict']}", "", f"{exported['verify_s']:.2f} s", ""),
            Row(f"file, {name}", "", f"{exported['bytes'] / 1e6:.3f} MB", ""),
            Row(
                f"latency, {name}, batch 1, one thread: median, 99 %",
                "",
                f"{exported['p50_us']:.1f} µs, {exported['p99_us']:.1f} µs",
                "",
            ),
        ]
    return found


def _seconds(name: str, theirs: float | dict[str, float] | None, ours: float | dict[str, float] | None) -> Row:
    """Wall seconds; those of a load come with CPU seconds, which are not shown."""
    theirs, ours = (side["wall"] if isinstance(side, dict) else side for side in (theirs, ours))
    shown, shown_ours = ("not reached" if side is None else f"{side:.3g} s" for side in (theirs, ours))
    return Row(name, shown, shown_ours, "" if theirs is None or ours is None else f"{theirs / ours:.3g} x")


def _loss(name: str, theirs: float | None, ours: float | None) -> Row:
    shown, shown_ours = ("none yet" if side is None else f"{side:.4f}" for side in (theirs, ours))
    return Row(name, shown, shown_ours, "")


def _share(name: str, theirs: float, ours: float) -> Row:
    return Row(name, f"{theirs:.4f}", f"{ours:.4f}", f"{ours / theirs:.3f} of it")


def _rate(name: str, theirs: float, ours: float) -> Row:
    return Row(name, f"{theirs:,.1f}", f"{ours:,.1f}", f"{ours / theirs:.3g} x")


def _amount(name: str, theirs: float, ours: float) -> Row:
    return Row(name, f"{theirs / 1e6:,.0f} MB", f"{ours / 1e6:,.0f} MB", f"{theirs / ours:.3g} x")


def setting(results: Results) -> list[str]:
    """How and where the figures were taken."""
    place, data = results["machine"], results["data"]
    load = ", ".join(f"{value:.2f}" for value in place["load_average"])
    size = "A QUICK run on little data and few epochs: its figures say that the benchmark works, and no more. "
    return [
        f"{size if results['quick'] else ''}{results['taken_at']}, commit {results['commit'] or 'unknown'}.",
        f"{place['processor']}, {place['cores']} cores, {place['memory_bytes'] / 2**30:.1f} GiB, {place['system']}; "
        f"load average at the start {load}; OMP_NUM_THREADS: {place['threads']}.",
        f"{data['examples']:,} examples ({data['train_examples']:,} trained on, {data['validation_examples']:,} to "
        f"validate on) and {data['test_examples']:,} from {data['test_cells']:,} unseen cells.",
        ", ".join(f"{name} {number}" for name, number in results["versions"].items()) + ".",
    ]


def terminal_table(results: Results) -> Table:
    """The table as it is printed."""
    table = Table("", title="quick: not for quoting" if results["quick"] else None)
    for heading in ("reference", "ours", "ratio"):
        table.add_column(heading, justify="right")
    for row in rows(results):
        table.add_row(*row)
    return table


def markdown(results: Results) -> str:
    """The same for the docs."""
    lines = [" ".join(setting(results)), "", "| | reference | ours | ratio |", "|---|---:|---:|---:|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows(results))])


def write_between_markers(page: Path, text: str) -> None:
    """Replaces what stands between the two markers of a page.

    Raises:
        StorytellerError: the page has not exactly one of each, in this order.
    """
    old = page.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end or BEGIN in inside + after or END in before + after:
        raise StorytellerError(f"{page}: expected {BEGIN} and then {END}, once each")
    write_atomic(page, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
