"""Whether some event models are better than others: the same held-out sentences, and how sure the difference is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityCategory, EventKind
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.partial import comparable
from storyteller_trainer.events.data.skeleton import text_key
from storyteller_trainer.events.data.split import HELD_OUT, split
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.model.metrics import places
from storyteller_trainer.reading.jsonl import sha256
from storyteller_trainer.runs.history import HistoryRow

from storyteller_exporter.evaluate.classifier_evaluation import PredictedSet
from storyteller_exporter.evaluate.event_model import ClassifierSource, EventModel
from storyteller_exporter.evaluate.sets import TITLES, EvaluationSet, evenly, in_convention
from storyteller_exporter.events.file_metadata import SEED, SPLIT
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.report.bootstrap import Doubles, FigureDifference, Statistic, draws, paired, sums_by_group
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.run_record import read_run

#: Sentences of a set that are read, evenly spaced.
MOST = 1000
#: The figure that decides between models of both tasks, as it chooses the epoch of a joint one.
SCORE = "mean F1"
KINDS, ENTITIES = "macro F1 of kinds", "F1 of entities"
#: What decides how data was divided.
_DIVIDED_BY = (metadata_props.DATA_HASH, SEED, SPLIT)


def compare_event_models(
    first: EventModel, second: EventModel, place: Path | None = None, *, most: int = MOST
) -> Comparison:
    """Judges both, in the tasks that both have, on the sentences that neither was trained on.

    Args:
        place: a data file; None for what the runs held out.
        most: sentences of a set that are read.

    Raises:
        StorytellerError: they have no task or no held-out sentence in common, or none is at hand; or as
            `EventModel.run`.
    """
    tasks = [task for task in first.facts.tasks if task in second.facts.tasks]
    if not tasks:
        raise StorytellerError(f"{first.facts.file} and {second.facts.file} have no task in common")
    sources = [one for model in (first, second) for one in model.sources]
    sets, notices = _of_file(place, sources) if place is not None else _of_runs(sources)
    sets = [evenly(one, most) for one in sets]
    if len({first.learned, second.learned} - {None}) > 1:
        notices.append(
            f"they learned different spans, {first.learned} and {second.learned} their determiners: each is judged by "
            "its own"
        )
    read = [[model.run(in_convention(model.learned, one)) for one in sets] for model in (first, second)]
    texts = [text_key(example.text) for one in sets for example in one.examples]
    figures = differences(read[0], read[1], texts, tasks)
    return Comparison(
        first=first.facts,
        second=second.facts,
        source=", ".join(one.source for one in sets),
        examples=len(texts),
        unit="different sentences",
        units=len(set(texts)),
        notices=notices,
        figures=figures,
        outcome=figures[0].outcome,
    )


def differences(
    first: Sequence[PredictedSet], second: Sequence[PredictedSet], texts: Sequence[str], tasks: Sequence[str]
) -> list[FigureDifference]:
    """F1 of both, over all sets, then set by set, kind by kind and category by category.

    Args:
        first, second: of the same sets.
        texts: of all sentences; equal ones are drawn together.
        tasks: those that count.
    """
    _, groups = np.unique(np.array(texts), return_inverse=True)
    drawn = draws(int(groups.max()) + 1)
    counts = [np.concatenate([_counts(run) for run in runs]) for runs in (first, second)]
    in_set = np.repeat(np.arange(len(first)), [len(run.predictions) for run in first])

    def difference(name: str, statistic: Statistic, rows: NDArray[np.bool_] | None = None) -> FigureDifference:
        chosen = [each if rows is None else np.where(rows[:, None], each, 0) for each in counts]
        one, other = (sums_by_group(each, groups, drawn.shape[1]) for each in chosen)
        return paired(name, "F1", (one, other), statistic, drawn)

    named = {"event": (KINDS, _macro_kinds), "ner": (ENTITIES, _micro_entities)}
    found = [difference(SCORE, _score)] if len(tasks) == len(named) else []
    found += [difference(*named[task]) for task in tasks]
    if len(first) > 1:
        for number, run in enumerate(first):
            found += [
                difference(f"{named[task][0]}, {run.data.name}", named[task][1], in_set == number) for task in tasks
            ]
    return found + [difference(*each) for each in _classes(tasks, counts)]


def _classes(tasks: Sequence[str], counts: Sequence[NDArray[np.int64]]) -> Iterator[tuple[str, Statistic]]:
    """Those that are annotated or predicted."""
    present = _table(np.stack([each.sum(axis=0) for each in counts]).astype(np.float64)).sum(axis=(0, 1)) > 0
    for position, label in enumerate((*EventKind.labels(), *EntityCategory.labels())):
        task = "event" if position < len(EventKind) else "ner"
        if task in tasks and present[position]:
            yield label, partial(_of_class, position)


def _counts(run: PredictedSet) -> NDArray[np.int64]:
    """[n, 3 x (kinds + categories)]: what each sentence has of each class, found rightly, found, and annotated."""
    counts = np.zeros((len(run.predictions), 3, len(EventKind) + len(EntityCategory)), np.int64)
    for row, (item, prediction) in enumerate(zip(run.encodings.items, run.predictions, strict=True)):
        if item.kinds_annotated:
            wanted = item.kinds > 0
            held = np.array([kind in prediction.kinds for kind in EventKind])
            counts[row, :, : len(EventKind)] = wanted & held, held, wanted
        pair = comparable(item.spans, prediction.spans, item.categories, item.several)
        annotated, found = (places(spans) for spans in pair)
        for kind, counter in enumerate((annotated & found, found, annotated)):
            for (_, _, category), count in counter.items():
                counts[row, kind, len(EventKind) + category.position] += count
    return counts.reshape(len(counts), -1)


def _table(sums: Doubles) -> Doubles:
    """[..., 3, kinds + categories]."""
    return sums.reshape(*sums.shape[:-1], 3, -1)


def _f1(sums: Doubles) -> Doubles:
    """[...] of right, found and annotated [..., 3]; NaN where nothing is found and nothing annotated."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]))


def _of_class(position: int, sums: Doubles) -> Doubles:
    return _f1(_table(sums)[..., position])


def _macro_kinds(sums: Doubles) -> Doubles:
    """Over the kinds that are annotated or predicted, as `metrics.event_scores`."""
    each = _f1(np.moveaxis(_table(sums)[..., : len(EventKind)], -2, -1))
    present = np.isfinite(each)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(present, each, 0.0).sum(axis=-1) / present.sum(axis=-1))


def _micro_entities(sums: Doubles) -> Doubles:
    return _f1(_table(sums)[..., len(EventKind) :].sum(axis=-1))


def _score(sums: Doubles) -> Doubles:
    return (_macro_kinds(sums) + _micro_entities(sums)) / 2


# --- which sentences none of the models was trained on -----------------------------------------------------------


def _of_file(place: Path, sources: Sequence[ClassifierSource]) -> tuple[list[EvaluationSet], list[str]]:
    """A file's sentences but for those that a model was trained on."""
    data = load_events(place)
    kept = {id(example) for example in data.examples}
    notices = []
    for one in sources:
        noted = one.notes.get(metadata_props.DATA_HASH)
        if noted is None:
            notices.append(f"{one.name} does not say what it was trained on, and may know these")
        elif noted == data.content_hash:
            parts = split(data.examples, Strategy(one.notes[SPLIT]), int(one.notes[SEED]))
            kept &= {id(example) for example in (*parts.random, *parts.skeletons)}
        elif one.metadata is not None and data.content_hash in one.metadata.file_hashes:
            raise StorytellerError(
                f"{place}: {one.name} was trained on this file and others together; leave the data out, and what the "
                "run held out is taken"
            )
    examples = [example for example in data.examples if id(example) in kept]
    return [EvaluationSet(place.stem, str(place), _some(examples))], list(dict.fromkeys(notices))


def _of_runs(sources: Sequence[ClassifierSource]) -> tuple[list[EvaluationSet], list[str]]:
    """What the first run that is at hand held out, but for what another was trained on, as far as that can be told."""
    owner = next((one for one in sources if one.folder is not None and _held_out(one)), None)
    if owner is None:
        raise StorytellerError(
            "no sentences to compare on: no run is at hand that still has what it held out; name data with --data"
        )
    sets = _held_out(owner)
    notices = []
    for one in sources:
        noted = one.notes.get(metadata_props.DATA_HASH)
        if noted is None:
            notices.append(f"{one.name} does not say what it was trained on, and may know these")
        elif noted != owner.notes[metadata_props.DATA_HASH]:
            notices.append(f"{one.name} was trained on other data, and may know some of these")
        elif any(one.notes.get(key) != owner.notes[key] for key in _DIVIDED_BY):
            others = [] if one.folder is None else _held_out(one)
            if not others:
                raise StorytellerError(
                    f"{one.name} held out other sentences of the same data, and its run is not at hand; name the data "
                    "with --data"
                )
            known = {text_key(example.text) for each in others for example in each.examples}
            sets = [
                replace(each, examples=[example for example in each.examples if text_key(example.text) in known])
                for each in sets
            ]
    _some([example for one in sets for example in one.examples])
    return [one for one in sets if one.examples], list(dict.fromkeys(notices))


def _held_out(one: ClassifierSource) -> list[EvaluationSet]:
    """The sets in a run's folder, as far as they are what the run held out."""
    sets = []
    for part, name in HELD_OUT.items():
        path = (one.folder or Path()) / name
        expected = one.metadata.held_out.get(part) if one.metadata is not None else None
        if path.is_file() and expected in (None, sha256(path)):
            sets.append(EvaluationSet(TITLES[part], str(path), load_events(path).examples))
    return sets


def _some(examples: list[Any]) -> list[Any]:
    if not examples:
        raise StorytellerError(
            "the models have no held-out sentence in common: they were trained with another seed or split; name other "
            "data with --data"
        )
    return examples


def recipe_of_events(model: EventModel) -> dict[str, Any]:
    """What the models were trained with, by task: the recipe where the run is at hand, else what the files say."""
    found: dict[str, Any] = {}
    for one in model.sources:
        noted = {key.removeprefix(metadata_props.PREFIX): value for key, value in one.notes.items()}
        recipe = {} if one.folder is None else read_run(one.folder).recipe
        found |= {f"{one.task}: {key}": value for key, value in ({**noted, **recipe}).items()}
    return found


def histories_of(models: Sequence[EventModel]) -> dict[str, list[list[HistoryRow]]]:
    """Task to the epochs of both; empty for a model whose run is not at hand."""
    tasks = dict.fromkeys(one.task for model in models for one in model.sources)
    return {task: [_history(model, task) for model in models] for task in tasks}


def _history(model: EventModel, task: str) -> list[HistoryRow]:
    folder = next((one.folder for one in model.sources if one.task == task), None)
    return [] if folder is None else read_run(folder).history
