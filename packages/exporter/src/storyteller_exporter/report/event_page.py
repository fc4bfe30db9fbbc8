"""The page of event runs: scores on every set side by side, thresholds, confusion, mistakes in their sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from storyteller_schema.common.hints import hint
from storyteller_schema.contract.events import EVENT_THRESHOLD, EventKind, Span
from storyteller_trainer.events.model.checkpoint import EventCheckpoint, load_event_checkpoint
from storyteller_trainer.events.model.metrics import Scores, entity_scores, event_scores
from storyteller_trainer.runs.history import HistoryRow

from storyteller_exporter.evaluate.confusion import Confusion, entity_confusion, event_confusion
from storyteller_exporter.evaluate.mistakes import Mistake, worst_mistakes
from storyteller_exporter.report.event_predictions import ReadSet, read_set, sets_of
from storyteller_exporter.report.page import render
from storyteller_exporter.report.run_record import RunRecord, read_run
from storyteller_exporter.report.svg import INK, SERIES, Canvas, Chart, bars

PARTS = [
    ("verdict", "Verdict"),
    ("curves", "Training"),
    ("scores", "Scores"),
    ("thresholds", "Thresholds"),
    ("confusion", "Confusion"),
    ("mistakes", "Mistakes"),
    ("data", "Data"),
]
#: Mistakes of each set.
WORST = 10


class Part(NamedTuple):
    """Some text of a sentence, and the category of the entity that it is; empty where it is none."""

    text: str
    category: str


def event_page(folders: Sequence[Path]) -> str:
    """The page of one run, or of the runs of both tasks.

    Raises:
        StorytellerError: a run cannot be read.
    """
    runs = [load_event_checkpoint(folder) for folder in folders]
    records = [read_run(folder) for folder in folders]
    sets = [read_set(runs, data) for data in sets_of(runs)]
    events = {one.name: _event_scores(one) for one in sets if one.probabilities is not None}
    entities = {
        one.name: entity_scores(one.spans, [found.spans for found in one.predictions])
        for one in sets
        if one.finds_entities
    }
    return render(
        "events.html",
        title=f"Event models: {' and '.join(str(folder) for folder in folders)}",
        subtitle="; ".join(_about(run) for run in runs),
        parts=PARTS,
        version=version("storyteller-exporter"),
        verdict=[*map(_did, records), *_good(events, entities)],
        # One command trains both, as a rule.
        repeat=list(dict.fromkeys(_repeat(record, run) for record, run in zip(records, runs, strict=True))),
        curves=[chart for record, run in zip(records, runs, strict=True) for chart in _curves(record.history, run)],
        tables=[_table("event kinds", events), _table("entities", entities)],
        score_charts=[
            chart for what, found in (("kinds", events), ("entities", entities)) for chart in _f1(what, found)
        ],
        thresholds=[_threshold(one) for one in sets if one.probabilities is not None],
        confusions=[each for one in sets for each in _confusions(one)],
        mistakes=[(one.name, _mistakes(one)) for one in sets],
        sizes=[[one.name, one.source, f"{one.size:,}", f"{len(one.examples):,}"] for one in sets],
        notices=[*_left_out(records), *(f"{one.name}: {line}" for one in sets for line in one.notices)],
    )


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
        canvas.axes.set_xlabel("epoch")
        canvas.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    last = history[-1]
    told = ", ".join(f"{name} {value:.4f}" for name, value in last.scores.items())
    return [
        loss.chart(f"Loss of {task} by epoch", f"At the end {last.train.total:.4f} and {last.validation.total:.4f}."),
        score.chart(
            f"Scores of {task} by epoch", f"On the validation part, which chooses the epoch. At the end {told}."
        ),
    ]


def _event_scores(one: ReadSet) -> Scores:
    return event_scores(
        one.wanted, np.array([[kind in found.kinds for kind in EventKind] for found in one.predictions])
    )


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
    return [bars(f"F1 of {what}", "On every set, side by side.", labels, values, label="F1", highest=1.0)]


def _threshold(one: ReadSet) -> Chart:
    """Macro F1 of the kinds, were the probability cut elsewhere."""
    assert one.probabilities is not None
    cuts = np.linspace(0.02, 0.98, 49)
    scores = [event_scores(one.wanted, _above(one.probabilities, cut)) for cut in cuts]
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


def _above(probabilities: NDArray[np.float32], cut: float) -> NDArray[np.bool_]:
    return np.asarray(probabilities > cut)


def _confusions(one: ReadSet) -> Iterator[tuple[str, Confusion]]:
    if one.probabilities is not None:
        held = np.array([[kind in found.kinds for kind in EventKind] for found in one.predictions])
        yield (
            f"{one.name}: kinds; predicted (columns) in place of a missed one (rows)",
            event_confusion(one.wanted, held),
        )
    if one.finds_entities:
        found = [prediction.spans for prediction in one.predictions]
        yield f"{one.name}: what became of an entity (rows)", entity_confusion(one.spans, found)


def _mistakes(one: ReadSet) -> list[dict[str, Any]]:
    worst = worst_mistakes(one.examples, one.spans, one.predictions, WORST)
    place = {example.id: row for row, example in enumerate(one.examples)}
    return [_shown(mistake, one, place[mistake.id]) for mistake in worst]


def _shown(mistake: Mistake, one: ReadSet, row: int) -> dict[str, Any]:
    text = one.examples[row].text
    return {
        "id": mistake.id,
        "register": mistake.register,
        "missed": [kind for kind in mistake.annotated_kinds if kind not in mistake.predicted_kinds],
        "wrong": [kind for kind in mistake.predicted_kinds if kind not in mistake.annotated_kinds],
        "annotated": parts_of(text, one.spans[row]),
        "predicted": parts_of(text, one.predictions[row].spans),
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
