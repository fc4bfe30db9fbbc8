"""The page of event runs: scores on every set side by side, thresholds, confusion, mistakes in their sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from storyteller_schema.common.hints import hint
from storyteller_schema.contract.events import EVENT_THRESHOLD, Span
from storyteller_trainer.events.data.partial import comparable
from storyteller_trainer.events.model.checkpoint import EventCheckpoint, load_event_checkpoint
from storyteller_trainer.events.model.metrics import Scores, event_scores
from storyteller_trainer.runs.history import HistoryRow

from storyteller_exporter.evaluate.confusion import Confusion
from storyteller_exporter.evaluate.event_model import EventModel, of_runs
from storyteller_exporter.evaluate.mistakes import Mistake
from storyteller_exporter.report.bootstrap import Outcome
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.comparison_texts import MOODS, comparison_text, figure_row
from storyteller_exporter.report.event_files import against_engine, exported_files
from storyteller_exporter.report.event_predictions import ReadSet, read_set, sets_of
from storyteller_exporter.report.page import render
from storyteller_exporter.report.run_record import RunRecord, read_run
from storyteller_exporter.report.svg import INK, SERIES, Canvas, Chart, bars, by_epoch

PARTS = [
    ("verdict", "Verdict"),
    ("curves", "Training"),
    ("scores", "Scores"),
    ("thresholds", "Thresholds"),
    ("confusion", "Confusion"),
    ("mistakes", "Mistakes"),
    ("data", "Data"),
    ("file", "Exported files"),
    ("comparison", "Comparison"),
]


class Part(NamedTuple):
    """Some text of a sentence, and the category of the entity that it is; empty where it is none."""

    text: str
    category: str


def event_page(folders: Sequence[Path], models: Path) -> str:
    """The page of one run, or of the runs of both tasks.

    Args:
        models: the folder of the engine's models, in which the runs' exported files are looked for.

    Raises:
        StorytellerError: a run cannot be read.
    """
    checkpoints = [load_event_checkpoint(folder) for folder in folders]
    model = of_runs(checkpoints)
    records = [read_run(folder) for folder in folders]
    sets = [read_set(model, data) for data in sets_of(checkpoints)]
    events = {one.name: one.report.events for one in sets} if model.finds_events else {}
    entities = {one.name: one.report.entities for one in sets} if model.finds_entities else {}
    verified = exported_files(checkpoints, models, [item for one in sets for item in one.run.encodings.items])
    comparison, trouble = against_engine(checkpoints, model, models)
    better = {
        "question": "Is it better than what the engine has now?",
        "answer": trouble if comparison is None else comparison_text(comparison),
        "mood": "" if comparison is None else MOODS[comparison.outcome],
    }
    return render(
        "events.html",
        title=f"Event models: {_name(folders)}",
        subtitle="; ".join(_about(run) for run in checkpoints),
        parts=[part for part in PARTS if part[0] != "comparison" or comparison is not None],
        version=version("storyteller-exporter"),
        verdict=[*map(_did, records), *_good(events, entities), better, _ship(records, verified, comparison)],
        # One command trains both, as a rule.
        repeat=list(dict.fromkeys(_repeat(record, run) for record, run in zip(records, checkpoints, strict=True))),
        curves=[
            chart for record, run in zip(records, checkpoints, strict=True) for chart in _curves(record.history, run)
        ],
        tables=[_table("event kinds", events), _table("entities", entities)],
        score_charts=[
            chart for what, found in (("kinds", events), ("entities", entities)) for chart in _f1(what, found)
        ],
        thresholds=[_threshold(one) for one in sets] if model.finds_events else [],
        confusions=[each for one in sets for each in _confusions(model, one)],
        mistakes=[(one.name, _mistakes(one)) for one in sets],
        sizes=[[one.name, one.report.source, f"{one.size:,}", f"{one.report.sentences:,}"] for one in sets],
        notices=[*_left_out(records), *(f"{one.name}: {line}" for one in sets for line in one.report.notices)],
        verified=verified,
        models=models,
        comparison_rows=[] if comparison is None else [figure_row(one) for one in comparison.figures],
        comparison_text="" if comparison is None else comparison_text(comparison),
    )


def _name(folders: Sequence[Path]) -> str:
    """The runs, behind the links that may lead to them."""
    places = [folder.resolve() for folder in folders]
    if len({place.parent for place in places}) == 1:
        return f"run {places[0].parent.name}, {' and '.join(place.name for place in places)}"
    return " and ".join(f"run {place.parent.name}, {place.name}" for place in places)


def _about(run: EventCheckpoint) -> str:
    about = run.metadata
    return f"{about.task}: {about.encoder}, {about.parameters:,} parameters, best epoch {about.epoch}"


def _did(record: RunRecord) -> dict[str, str]:
    question = f"What did the run {record.folder.name} do?"
    if not record.summary:
        return {"question": question, "answer": "There is no run.json.", "mood": "warn"}
    data = record.summary.get("data", {})
    trained = data.get("examples", {}).get("train", 0)
    what = f"{record.summary.get('epochs', 0)} epochs on {trained:,} sentences of {data.get('file', 'unknown data')}"
    ended = "it came to its end" if record.finished else "it did not come to its end"
    return {"question": question, "answer": f"{what}; {ended}.", "mood": "good" if record.finished else "bad"}


def _good(events: dict[str, Scores], entities: dict[str, Scores]) -> Iterator[dict[str, str]]:
    for what, found in (("kinds of event", events), ("entities", entities)):
        if not found:
            continue
        score = {name: (one.macro if what != "entities" else one.micro).f1 for name, one in found.items()}
        average = "micro" if what == "entities" else "macro"
        answer = f"{average} F1: " + ", ".join(f"{value:.3f} on {name}" for name, value in score.items()) + "."
        weakest = min(
            ((label, name, each) for name, one in found.items() for label, each in one.classes.items() if each.support),
            key=lambda entry: entry[2].f1,
        )
        answer += f" Weakest: {weakest[0]} on {weakest[1]}, {weakest[2].f1:.3f} of {weakest[2].support}."
        yield {"question": f"How well are {what} found?", "answer": answer, "mood": "warn"}


def _ship(
    records: Sequence[RunRecord], verified: Sequence[dict[str, Any]], comparison: Comparison | None
) -> dict[str, str]:
    question = "May I ship it?"
    failed = [file["title"] for file in verified if not file["passed"]]
    if not all(record.finished for record in records):
        answer, mood = "No: a run is not finished.", "bad"
    elif not verified:
        answer, mood = "Not yet: no verified file of these runs was found. Export them first.", "warn"
    elif failed:
        answer, mood = f"No: {', '.join(failed)} did not pass.", "bad"
    elif comparison is not None and comparison.outcome is Outcome.WORSE:
        answer, mood = "Better not: the files pass, and are worse than what the engine has.", "bad"
    else:
        names = ", ".join(file["title"] for file in verified)
        answer, mood = f"Yes, if these F1 are enough for you: {names} passed every check.", "good"
    return {"question": question, "answer": answer, "mood": mood}


def _repeat(record: RunRecord, run: EventCheckpoint) -> str:
    if told := record.summary.get("command"):
        return told if isinstance(told, str) else " ".join(map(str, told))
    file = record.summary.get("data", {}).get("file", "DATA")
    about = run.metadata
    options = ("--task", about.task.value, "--encoder", about.encoder, "--seed", str(about.seed))
    return hint("train-event-classifier", *options, "--split", about.split.value, data=[Path(file)])


def _left_out(records: Sequence[RunRecord]) -> list[str]:
    told = [line for record in records for line in record.summary.get("data", {}).get("notices", [])]
    return list(dict.fromkeys(f"training data: {line}" for line in told))


def _curves(history: Sequence[HistoryRow], run: EventCheckpoint) -> list[Chart]:
    if not history:
        return []
    task = run.metadata.task
    epochs = [row.epoch for row in history]
    loss, score = Canvas(), Canvas()
    loss.axes.plot(epochs, [row.train.total for row in history], color=SERIES[1], label="training, while it learns")
    loss.axes.plot(epochs, [row.validation.total for row in history], color=SERIES[0], label="validation")
    for color, name in zip(SERIES, history[0].scores, strict=False):
        score.axes.plot(epochs, [row.scores.get(name, np.nan) for row in history], color=color, label=name)
    for canvas in (loss, score):
        by_epoch(canvas, epochs)
    score.axes.set_ylim(0, 1.02)
    last = history[-1]
    told = ", ".join(f"{name} {value:.4f}" for name, value in last.scores.items())
    return [
        loss.chart(f"Loss of {task} by epoch", f"At the end {last.train.total:.4f} and {last.validation.total:.4f}."),
        score.chart(
            f"Scores of {task} by epoch", f"On the validation part, which chooses the epoch. At the end {told}."
        ),
    ]


def _table(what: str, found: dict[str, Scores]) -> dict[str, Any]:
    """F1 of every class on every set, side by side."""
    first = next(iter(found.values()), None)
    rows = []
    for label in first.classes if first else ():
        each = [one.classes[label] for one in found.values()]
        rows.append([label, *(f"{score.f1:.3f} of {score.support:,}" if score.support else "-" for score in each)])
    for average in ("micro", "macro") if first else ():
        rows.append([average, *(f"{getattr(one, average).f1:.3f}" for one in found.values())])
    return {"title": f"F1 of {what}, and how many are annotated", "columns": [what, *found], "rows": rows}


def _f1(what: str, found: dict[str, Scores]) -> list[Chart]:
    if not found:
        return []
    labels = list(next(iter(found.values())).classes)
    values = {name: [one.classes[label].f1 for label in labels] for name, one in found.items()}
    nothing = "" if any(map(any, values.values())) else " Every one is 0."
    return [bars(f"F1 of {what}", f"On every set, side by side.{nothing}", labels, values, label="F1", highest=1.0)]


def _threshold(one: ReadSet) -> Chart:
    """Macro F1 of the kinds, were the probability cut elsewhere."""
    cuts = np.linspace(0.02, 0.98, 49)
    scores = [event_scores(one.wanted, one.probabilities > cut) for cut in cuts]
    canvas = Canvas()
    for color, average in zip(SERIES, ("macro", "micro"), strict=False):
        canvas.axes.plot(cuts, [getattr(score, average).f1 for score in scores], color=color, label=f"{average} F1")
    canvas.axes.axvline(
        EVENT_THRESHOLD, color=INK, linestyle="--", linewidth=1, label=f"the engine's: {EVENT_THRESHOLD:g}"
    )
    canvas.axes.set_ylim(0, 1.02)
    canvas.axes.set_xlabel("threshold of the probability")
    best = int(np.argmax([score.macro.f1 for score in scores]))
    caption = (
        f"Highest macro F1 {scores[best].macro.f1:.3f}, at {cuts[best]:.2f}. The engine cuts at {EVENT_THRESHOLD:g}."
    )
    return canvas.chart(f"Threshold of event kinds, {one.name}", caption)


def _confusions(model: EventModel, one: ReadSet) -> Iterator[tuple[str, Confusion]]:
    if model.finds_events:
        yield f"{one.name}: kinds; predicted (columns) in place of a missed one (rows)", one.report.event_confusion
    if model.finds_entities:
        yield f"{one.name}: what became of an entity (rows)", one.report.entity_confusion


def _mistakes(one: ReadSet) -> list[dict[str, Any]]:
    place = {example.id: row for row, example in enumerate(one.run.data.examples)}
    return [_shown(mistake, one, place[mistake.id]) for mistake in one.report.mistakes]


def _shown(mistake: Mistake, one: ReadSet, row: int) -> dict[str, Any]:
    text, item = one.run.data.examples[row].text, one.run.encodings.items[row]
    annotated, predicted = comparable(item.spans, one.run.predictions[row].spans, item.categories, item.several)
    return {
        "id": mistake.id,
        "register": mistake.register,
        "missed": [kind for kind in mistake.annotated_kinds if kind not in mistake.predicted_kinds],
        "wrong": [kind for kind in mistake.predicted_kinds if kind not in mistake.annotated_kinds],
        "annotated": parts_of(text, annotated),
        "predicted": parts_of(text, predicted),
        "same": mistake.annotated == mistake.predicted,
    }


def parts_of(text: str, spans: Sequence[Span]) -> list[Part]:
    """The text in parts, entities and what is between them; of overlapping entities only the first is one."""
    source, parts, place = text.encode(), [], 0
    for span in sorted(spans, key=lambda span: span.start):
        if span.start < place:
            continue
        parts.append(Part(source[place : span.start].decode(errors="replace"), ""))
        parts.append(Part(source[span.start : span.end].decode(errors="replace"), span.category))
        place = span.end
    parts.append(Part(source[place:].decode(errors="replace"), ""))
    return [part for part in parts if part.text]
