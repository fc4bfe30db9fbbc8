"""The report of `evaluate-classifier` for a person to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.table import Table
from storyteller_schema.common.console import out
from storyteller_trainer.events.model.metrics import Score, Scores

from storyteller_exporter.evaluate.classifier_evaluation import EvaluationReport, SetReport
from storyteller_exporter.evaluate.confusion import Confusion
from storyteller_exporter.evaluate.latency import Latency
from storyteller_exporter.evaluate.mistakes import Mistake

#: Headline to where it stands in the report of a set.
HEADLINES: dict[str, Callable[[SetReport], float]] = {
    "event macro F1": lambda found: found.events.macro.f1,
    "event micro F1": lambda found: found.events.micro.f1,
    "entity F1 (micro)": lambda found: found.entities.micro.f1,
    "entity macro F1": lambda found: found.entities.macro.f1,
    "all kinds right": lambda found: found.exact.kinds,
    "all entities right": lambda found: found.exact.entities,
    "both right": lambda found: found.exact.both,
}


def show(report: EvaluationReport) -> None:
    """Prints the models, all sets side by side, latency, then each set by itself."""
    for file in report.files:
        out.print(f"{file.file}: {file.bytes:,} bytes")
        for warning in file.warnings:
            out.print(f"note: {warning}")
    out.print(f"padding {report.padding}")
    out.print()
    out.print(comparison_table(report))
    if report.latency is not None:
        out.print()
        out.print(latency_table(report.latency))
    for found in report.sets:
        out.print()
        out.print(f"{found.name}: {found.sentences:,} sentences of {found.source}", style="bold")
        for notice in found.notices:
            out.print(f"note: {notice}")
        for part in details(found):
            out.print()
            out.print(part)
        if found.mistakes:
            out.print()
            out.print("the worst mistakes: most errors first (kinds and entities, missed or wrong), then the surest")
            out.print()
            for line in mistake_lines(found.mistakes):
                out.print(line)


def comparison_table(report: EvaluationReport) -> Table:
    """The sets side by side: headlines, then F1 for every class."""
    table = sided_table(
        "", title="side by side: F1 (of how many annotated), and share of sentences with everything right"
    )
    for found in report.sets:
        table.add_column(found.name, justify="right")
    table.add_row("sentences", *(f"{found.sentences:,}" for found in report.sets))
    for name, value in HEADLINES.items():
        table.add_row(name, *(f"{value(found):.4f}" for found in report.sets))
    for attribute in ("events", "entities"):
        table.add_row()
        scores: list[Scores] = [getattr(found, attribute) for found in report.sets]
        for label in scores[0].classes:
            rows = [score.classes[label] for score in scores]
            table.add_row(label, *(f"{row.f1:.4f} ({row.support:,})" if row.support else "- (0)" for row in rows))
    return table


def details(found: SetReport) -> Iterator[Table]:
    """Scores of one set, and what was taken for what."""
    yield score_table("event kinds", found.events)
    yield confusion_table(
        "kind", found.event_confusion, "what was predicted (columns) in place of a missed kind (rows); found: diagonal"
    )
    yield score_table("entities", found.entities)
    yield confusion_table(
        "category", found.entity_confusion, "what became of an entity (rows); spurious: predicted where there is none"
    )


def score_table(title: str, scores: Scores) -> Table:
    """Precision, recall, F1 and support of every class, and the averages."""
    table = sided_table(title, "precision", "recall", "F1", "support")

    def add(name: str, score: Score) -> None:
        table.add_row(name, f"{score.precision:.4f}", f"{score.recall:.4f}", f"{score.f1:.4f}", f"{score.support:,}")

    for label, score in scores.classes.items():
        add(label, score)
    table.add_row()
    add("micro", scores.micro)
    add("macro", scores.macro)
    return table


def confusion_table(corner: str, confusion: Confusion, title: str, *, last_is_extra: bool = True) -> Table:
    """The counts, a dot for 0. Columns that have a row of their own go by its number, so that all fit.

    Args:
        last_is_extra: the last column is no class.
    """
    columns = list(next(iter(confusion.values())))
    classes = columns[:-1] if last_is_extra else columns
    numbers = {row: str(number) for number, row in enumerate(confusion, start=1) if row in classes}
    table = sided_table(corner, *(numbers.get(column, column) for column in columns), title=title)
    for row, counts in confusion.items():
        table.add_row(f"{numbers.get(row, ' ')} {row}", *(str(count) if count else "·" for count in counts.values()))
    return table


def latency_table(latency: Latency) -> Table:
    """Both paddings, and how much longer the longer one takes."""
    title = (
        f"latency: {latency.sentences:,} sentences, one a call, median {latency.tokens:g} tokens, "
        f"{latency.threads} {'thread' if latency.threads == 1 else 'threads'}; time in ONNX Runtime, all files"
    )
    table = sided_table("", "p50 ms", "p99 ms", "sentences/s", title=title)
    for name, timing in (("padded to 128", latency.fixed), ("own length", latency.dynamic)):
        table.add_row(name, f"{timing.p50_ms:.2f}", f"{timing.p99_ms:.2f}", f"{timing.sentences_per_second:.1f}")
    table.add_row("ratio of the medians", f"{latency.ratio:.2f}", "", "")
    return table


def mistake_lines(mistakes: list[Mistake]) -> Iterator[str]:
    """Every mistake in three to five lines: kinds where they are wrong, and the marked text, twice where it differs."""
    for number, mistake in enumerate(mistakes, start=1):
        errors = "1 error" if mistake.errors == 1 else f"{mistake.errors} errors"
        yield f"{number}. {errors}, {mistake.register}, {mistake.id}"
        if mistake.probabilities:
            missed = [kind for kind in mistake.annotated_kinds if kind not in mistake.predicted_kinds]
            wrong = [kind for kind in mistake.predicted_kinds if kind not in mistake.annotated_kinds]
            listed = [f"missed {kind} ({mistake.probabilities[kind]:.2f})" for kind in missed]
            listed += [f"wrong {kind} ({mistake.probabilities[kind]:.2f})" for kind in wrong]
            kept = [kind.value for kind in mistake.annotated_kinds if kind not in missed]
            yield f"   kinds      {', '.join(listed)}; right: {', '.join(kept) or 'none'}"
        if mistake.annotated == mistake.predicted:
            yield f"   as marked  {mistake.annotated}"
        else:
            yield f"   annotated  {mistake.annotated}"
            yield f"   predicted  {mistake.predicted}"


def sided_table(corner: str, *columns: str, title: str | None = None) -> Table:
    """An empty table: names to the left, figures to the right."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(corner)
    for column in columns:
        table.add_column(column, justify="right")
    return table
