"""The questions that a character run's page is opened with, in a sentence each."""

from __future__ import annotations

from typing import Any, NamedTuple

from storyteller_exporter.evaluate.row_figures import DOMINANT
from storyteller_exporter.report.bootstrap import Outcome
from storyteller_exporter.report.character_figures import Scored
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.comparison_texts import MOODS, comparison_text
from storyteller_exporter.report.run_record import RunRecord

#: An excess of the total loss up to this is called small: five reference seeds differ by about as much.
SMALL_EXCESS = 0.15


class Answer(NamedTuple):
    """One of the questions that the page is opened with."""

    question: str
    answer: str
    #: `good`, `warn`, `bad`, or empty where nothing can be said.
    mood: str


def verdict(
    record: RunRecord,
    scored: Scored | None,
    why_not: str,
    verified: list[dict[str, Any]],
    comparison: Comparison | None,
    trouble: str,
) -> list[Answer]:
    return [
        _did(record),
        _good(scored, why_not),
        _better(comparison, trouble),
        _wrong(scored, why_not),
        _ship(record, verified, comparison),
    ]


def _did(record: RunRecord) -> Answer:
    question = "What did this run do?"
    if not record.summary:
        return Answer(question, "There is no run.json: nothing is known but the checkpoint.", "warn")
    data, epochs = record.summary.get("data", {}), record.summary.get("epochs", len(record.history))
    what = f"{epochs} epochs on {data.get('train_examples', 0):,} examples of {data.get('file', 'unknown data')}"
    if record.finished:
        return Answer(question, f"{what}; it came to its end.", "good")
    return Answer(question, f"{what}; it did not come to its end.", "bad")


def _good(scored: Scored | None, why_not: str) -> Answer:
    question = "How good is it?"
    if scored is None:
        return Answer(question, f"Not judged: {why_not}", "")
    total = scored.report.losses["total"]
    if total.excess is None or total.irreducible is None:
        return Answer(question, f"Loss {total.loss.value:.4f}; what is possible is not known for this data.", "")
    text = f"Loss {total.loss.value:.4f}, of which {total.excess:.4f} is above what is possible."
    return Answer(question, text, "good" if total.excess <= SMALL_EXCESS else "warn")


def _better(comparison: Comparison | None, trouble: str) -> Answer:
    question = "Is it better than what the engine has now?"
    if comparison is None:
        return Answer(question, trouble, "")
    return Answer(question, comparison_text(comparison), MOODS[comparison.outcome])


def _wrong(scored: Scored | None, why_not: str) -> Answer:
    question = "Where is it wrong?"
    if scored is None:
        return Answer(question, f"Not judged: {why_not}", "")
    report = scored.report
    missed = [
        f"{name} is right in {report.accuracy[name].as_engine.value:.1%} and could be in {ceiling:.1%}"
        for name in ("thought.awareness", DOMINANT)
        if name in report.accuracy and (ceiling := report.accuracy[name].ceiling) is not None
    ]
    weak = [f"{one.kind} {one.name}" for one in report.slices if one.weak]
    where = f" Weakest: {', '.join(weak[:6])}." if weak else " No slice is clearly weaker than the rest."
    return Answer(question, f"{'; '.join(missed) or 'No ceiling is known'}.{where}", "warn" if weak else "good")


def _ship(record: RunRecord, verified: list[dict[str, Any]], comparison: Comparison | None) -> Answer:
    question = "May I ship it?"
    if not record.finished:
        return Answer(question, "No: the run is not finished.", "bad")
    if not verified:
        return Answer(question, "Not yet: no verified file of this checkpoint was found. Export it first.", "warn")
    failed = [file["title"] for file in verified if not file["passed"]]
    if failed:
        return Answer(question, f"No: {', '.join(failed)} did not pass.", "bad")
    if comparison is not None and comparison.outcome is Outcome.WORSE:
        return Answer(question, "Better not: its file passes, and it is worse than what the engine has.", "bad")
    return Answer(question, f"Yes: {', '.join(file['title'] for file in verified)} passed every check.", "good")
