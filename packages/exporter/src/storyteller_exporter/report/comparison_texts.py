"""A comparison of two models for people: tables for a terminal, Markdown for a review, a page with the curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from storyteller_exporter.evaluate.tables import sided_table
from storyteller_exporter.report.bootstrap import FigureDifference, Outcome
from storyteller_exporter.report.comparison import Comparison

#: For the second model.
VERDICTS = {
    Outcome.BETTER: "the second is better",
    Outcome.WORSE: "the second is worse",
    Outcome.UNDECIDED: "no difference shown",
}

#: Of a page, for the second model.
MOODS = {Outcome.BETTER: "good", Outcome.WORSE: "bad", Outcome.UNDECIDED: "warn"}


def verdict_line(comparison: Comparison) -> str:
    """What decides, in one line."""
    total = comparison.deciding
    return (
        f"{VERDICTS[comparison.outcome]}: {comparison.decides} {total.first:.4f} and {total.second:.4f}, difference "
        f"{total.difference:+.4f} ({total.low:+.4f} to {total.high:+.4f}) on {comparison.examples:,} held-out examples"
    )


def comparison_text(comparison: Comparison) -> str:
    """The comparison of a run, the second model, with what the engine has, as a page tells it."""
    total = comparison.deciding
    words = {
        Outcome.BETTER: "It is better",
        Outcome.WORSE: "It is worse",
        Outcome.UNDECIDED: "No difference is shown",
    }
    notices = "".join(f" But {notice}." for notice in comparison.notices)
    return (
        f"{words[comparison.outcome]}: the {comparison.decides} is {total.second:.4f} against {total.first:.4f} of "
        f"{comparison.first.file}, a difference of {total.difference:+.4f} ({total.low:+.4f} to {total.high:+.4f}) on "
        f"{comparison.examples:,} examples.{notices}"
    )


def figure_row(one: FigureDifference) -> list[str]:
    """Name, both values, the difference, its interval, and what it comes to."""
    form = ".1%" if one.kind == "accuracy" else ".4f"
    values = [f"{one.first:{form}}", f"{one.second:{form}}", f"{one.difference:+{form}}"]
    return [one.name, *values, f"{one.low:+{form}} to {one.high:+{form}}", one.outcome]


HEADINGS = ("figure", "first", "second", "difference", "95 % interval", "the second is")


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The values of two recipes that are not the same; one that a recipe has not is None."""
    names = sorted(first.keys() | second.keys())
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}


def what_is_better(comparison: Comparison) -> str:
    """Which way the figures are to be read."""
    if comparison.deciding.lower_is_better:
        return "losses, lower is better, then accuracies, higher is better"
    return "F1, higher is better"


def comparison_table(comparison: Comparison) -> Table:
    """Every figure."""
    table = sided_table(*HEADINGS, title=what_is_better(comparison))
    for one in comparison.figures:
        table.add_row(*figure_row(one))
    return table


def options_table(options: Mapping[str, tuple[Any, Any]]) -> Table:
    """What the two were trained with."""
    table = sided_table("option", "first", "second", title="options that differ")
    for name, (first, second) in options.items():
        table.add_row(name, str(first), str(second))
    return table


def markdown(title: str, lines: Sequence[str], comparison: Comparison | None, options: Mapping[str, Any]) -> str:
    """A summary for a review or the log of a CI job.

    Args:
        lines: what is to be said first.
    """
    return "\n".join(_markdown(title, lines, comparison, options)) + "\n"


def _markdown(
    title: str, lines: Sequence[str], comparison: Comparison | None, options: Mapping[str, Any]
) -> Iterator[str]:
    yield f"# {title}"
    yield ""
    yield from (f"{line}\n" for line in lines)
    if comparison is None:
        return
    yield f"- first: `{comparison.first.file}`"
    yield f"- second: `{comparison.second.file}`"
    yield f"- data: `{comparison.source}`, {comparison.examples:,} examples of {comparison.units:,} {comparison.unit}"
    yield from (f"- note: {notice}" for notice in comparison.notices)
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---" * len(HEADINGS) + "|"
    for one in comparison.figures:
        yield f"| {' | '.join(figure_row(one))} |"
    if options:
        yield ""
        yield "| option | first | second |"
        yield "|---|---|---|"
        for name, (first, second) in options.items():
            yield f"| {name} | {first} | {second} |"
