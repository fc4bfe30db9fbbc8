"""How good the exported event models are, run and read as the engine does it.

Every score is the trainer's (`storyteller_trainer.events.model.metrics`); what is added are tables of confusion, the
worst mistakes, latency, and the predictions themselves for another program to compare with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import numpy as np
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, write_atomic
from storyteller_schema.contract.events import EventKind
from storyteller_trainer.events.data.encoding import Encodings
from storyteller_trainer.events.data.partial import comparable
from storyteller_trainer.events.model.metrics import Scores, entity_scores, event_scores, places

from storyteller_exporter.evaluate.confusion import Confusion, entity_confusion, event_confusion
from storyteller_exporter.evaluate.engine_events import EngineEvents, ModelFile, Padding, SentencePrediction
from storyteller_exporter.evaluate.latency import Latency, measure_latency
from storyteller_exporter.evaluate.mistakes import Mistake, worst_mistakes
from storyteller_exporter.evaluate.sets import EvaluationSet


class Exact(msgspec.Struct, frozen=True):
    """The share of sentences in which everything is right."""

    #: Exactly the annotated kinds; where none were annotated, nothing can be wrong.
    kinds: float
    #: Exactly the annotated entities.
    entities: float
    both: float


class SetReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one set showed."""

    name: str
    source: str
    sentences: int
    #: What was done to the set, and what of it no model can get right.
    notices: list[str]
    exact: Exact
    events: Scores
    entities: Scores
    event_confusion: Confusion
    entity_confusion: Confusion
    mistakes: list[Mistake]


class EvaluationReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `evaluate-classifier` found out."""

    folder: str
    files: list[ModelFile]
    padding: Padding
    threads: int
    sets: list[SetReport]
    #: None when it was not measured.
    latency: Latency | None


class PredictedEntity(msgspec.Struct, frozen=True):
    """An entity that the models found. Offsets are bytes of the text's UTF-8."""

    start: int
    end: int
    text: str
    category: str
    #: Mean softmax probability of its tokens.
    confidence: float


class PredictedExample(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the predictions file. Keys that event data has mean the same here."""

    #: The name of the set.
    set: str
    id: str
    text: str
    #: The kinds that hold, in wire order.
    event_kinds: tuple[EventKind, ...]
    #: Of all 8 kinds, in wire order: sigmoid in float32.
    event_probabilities: tuple[float, ...]
    #: In the order of the text.
    entities: list[PredictedEntity]


@dataclass(frozen=True)
class PredictedSet:
    """One set, as the models read it."""

    data: EvaluationSet
    encodings: Encodings
    #: One for each example.
    predictions: list[SentencePrediction]


def run_set(
    models: EngineEvents, data: EvaluationSet, padding: Padding, advance: Callable[[], object] = lambda: None
) -> PredictedSet:
    """Runs the models on every sentence of a set, one a call.

    Args:
        advance: called after every sentence.

    Raises:
        StorytellerError: naming the sentence that the models refuse or on which they give no numbers.
    """
    encodings = models.encode(data.examples)
    predictions: list[SentencePrediction] = []
    # ONNX Runtime releases the interpreter's lock: sentences share the cores, and each still runs on its own threads.
    pool = ThreadPoolExecutor(max((os.cpu_count() or 1) // models.threads, 1))
    try:
        for prediction in pool.map(lambda item: models.predict(item, padding), encodings.items):
            predictions.append(prediction)
            advance()
    except StorytellerError as error:
        raise StorytellerError(f"sentence {data.examples[len(predictions)].id} of {data.source}: {error}") from error
    finally:
        pool.shutdown(cancel_futures=True)
    return PredictedSet(data, encodings, predictions)


def score(run: PredictedSet, worst: int = 20) -> SetReport:
    """Compares what was predicted with what is annotated.

    Args:
        worst: how many mistakes to keep.
    """
    wanted = np.stack([item.kinds for item in run.encodings.items]) > 0
    found = np.array([[kind in prediction.kinds for kind in EventKind] for prediction in run.predictions])
    known = np.array([item.kinds_annotated for item in run.encodings.items])
    found = np.where(known[:, None], found, False)
    pairs = [
        comparable(item.spans, prediction.spans, item.categories, item.several)
        for item, prediction in zip(run.encodings.items, run.predictions, strict=True)
    ]
    spans, predicted = [gold for gold, _ in pairs], [guess for _, guess in pairs]
    right_kinds = (wanted == found).all(axis=1)
    right_spans = np.array([places(one) == places(other) for one, other in zip(spans, predicted, strict=True)])
    return SetReport(
        name=run.data.name,
        source=run.data.source,
        sentences=len(predicted),
        notices=[*run.data.notices, *run.encodings.notices()],
        exact=Exact(float(right_kinds.mean()), float(right_spans.mean()), float((right_kinds & right_spans).mean())),
        events=event_scores(wanted[known], found[known]),
        entities=entity_scores(spans, predicted),
        event_confusion=event_confusion(wanted[known], found[known]),
        entity_confusion=entity_confusion(spans, predicted),
        mistakes=worst_mistakes(
            run.data.examples,
            spans,
            [
                msgspec.structs.replace(prediction, kinds=prediction.kinds if judged else (), spans=guess)
                for prediction, judged, guess in zip(run.predictions, known, predicted, strict=True)
            ],
            worst,
        ),
    )


def report(
    models: EngineEvents, runs: Sequence[PredictedSet], padding: Padding, *, worst: int, timed: int
) -> EvaluationReport:
    """Scores every set, and measures latency over all of them.

    Args:
        worst: how many mistakes of each set to keep.
        timed: how many sentences to time; 0 for none.
    """
    items = [item for run in runs for item in run.encodings.items]
    return EvaluationReport(
        folder=str(models.folder),
        files=models.files,
        padding=padding,
        threads=models.threads,
        sets=[score(run, worst) for run in runs],
        latency=measure_latency(models, items, timed) if timed else None,
    )


def write_predictions(path: StrPath, runs: Sequence[PredictedSet]) -> None:
    """Writes a JSON line for each sentence, in the order of sets and sentences: a `PredictedExample`.

    Raises:
        StorytellerError: the file cannot be written.
    """
    write_atomic(path, b"".join(msgspec.json.encode(line) + b"\n" for run in runs for line in _lines(run)))


def _lines(run: PredictedSet) -> list[PredictedExample]:
    lines = []
    for example, prediction in zip(run.data.examples, run.predictions, strict=True):
        source = example.text.encode()
        entities = [
            PredictedEntity(
                span.start,
                span.end,
                source[span.start : span.end].decode(errors="replace"),
                span.category,
                span.confidence,
            )
            for span in prediction.spans
        ]
        lines.append(
            PredictedExample(
                set=run.data.name,
                id=example.id,
                text=example.text,
                event_kinds=prediction.kinds,
                event_probabilities=prediction.probabilities,
                entities=entities,
            )
        )
    return lines
