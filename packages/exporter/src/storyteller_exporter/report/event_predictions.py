"""What the classifiers of event runs read from the sentences of a set: their checkpoints, decoded as the engine does.

Sentences are run in batches of their own length, by PyTorch, which gives an exported file's numbers to 1e-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EventKind, Span, decode_events, event_probabilities
from storyteller_schema.contract.spans import decode_spans
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.encoding import Encoded, collate, encode, evaluation_order
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.split import HELD_OUT
from storyteller_trainer.events.model.checkpoint import EventCheckpoint
from storyteller_trainer.events.model.classifiers import named_logits
from storyteller_trainer.runs.run_files import BEST
from storyteller_trainer.sample.events.prose import load_prose

from storyteller_exporter.evaluate.engine_events import SentencePrediction
from storyteller_exporter.evaluate.sets import TITLES, EvaluationSet

#: Sentences of a set that are run, evenly spaced: a minute of one core for MiniLM.
MOST = 1000
#: Sentences in one forward pass.
BATCH = 32


@dataclass(frozen=True)
class ReadSet:
    """A set, as the classifiers read it."""

    name: str
    source: str
    #: How many sentences the set has; not all of them need have been read.
    size: int
    examples: list[EventExample]
    #: [n, K]; None where no classifier finds kinds.
    probabilities: NDArray[np.float32] | None
    #: [n, K] annotated.
    wanted: NDArray[np.bool_]
    #: What the classifiers read; of a task that none of them has, what is annotated.
    predictions: list[SentencePrediction]
    #: The annotated entities, in bytes.
    spans: list[list[Span]]
    #: Whether a classifier finds entities.
    finds_entities: bool
    #: What no model can get right.
    notices: list[str]


def sets_of(runs: Sequence[EventCheckpoint]) -> list[EvaluationSet]:
    """What the runs held out, as far as it is still there, then the hand-annotated prose."""
    folder = runs[0].folder
    found = []
    for part, name in HELD_OUT.items():
        path = folder / name
        if path.is_file():
            found.append(EvaluationSet(TITLES[part], str(path), load_events(path).examples))
    return [*found, EvaluationSet("prose", "hand-annotated prose, shipped with the trainer", load_prose())]


def read_set(runs: Sequence[EventCheckpoint], data: EvaluationSet) -> ReadSet:
    """Runs every classifier on a set.

    Raises:
        StorytellerError: a classifier gives NaN or infinity.
    """
    rows = np.linspace(0, len(data.examples) - 1, min(MOST, len(data.examples))).round().astype(int)
    examples = [data.examples[row] for row in rows]
    probabilities: NDArray[np.float32] | None = None
    found_spans: list[list[Span]] | None = None
    notices: list[str] = []
    for run in runs:
        encodings = encode(examples, run.tokenizer)
        notices = notices or encodings.notices()
        logits, spans = _read(run, encodings.items)
        if logits is not None:
            probabilities = logits
        if spans is not None:
            found_spans = spans
    items = encode(examples, runs[0].tokenizer).items
    annotated = [item.spans for item in items]
    wanted = np.stack([item.kinds for item in items]) > 0
    return ReadSet(
        name=data.name,
        source=data.source,
        size=len(data.examples),
        examples=examples,
        probabilities=None if probabilities is None else event_probabilities(probabilities),
        wanted=wanted,
        predictions=[
            SentencePrediction(
                tuple(examples[row].event_kinds) if probabilities is None else decode_events(probabilities[row]),
                tuple(map(float, wanted[row] if probabilities is None else event_probabilities(probabilities[row]))),
                annotated[row] if found_spans is None else found_spans[row],
            )
            for row in range(len(examples))
        ],
        spans=annotated,
        finds_entities=found_spans is not None,
        notices=notices,
    )


@torch.inference_mode()
def _read(run: EventCheckpoint, items: list[Encoded]) -> tuple[NDArray[np.float32] | None, list[list[Span]] | None]:
    """Event logits [n, K] and entities of each sentence; None for a task that the classifier has not."""
    kinds = np.zeros((len(items), len(EventKind)), np.float32)
    spans: list[list[Span]] = [[] for _ in items]
    tasks: set[str] = set()
    for rows in evaluation_order([len(item.ids) for item in items], BATCH):
        batch = collate([items[row] for row in rows])
        logits = {
            name: tensor.numpy()
            for name, tensor in named_logits(run.model, batch.input_ids, batch.attention_mask).items()
        }
        tasks |= logits.keys()
        if not all(np.isfinite(values).all() for values in logits.values()):
            raise StorytellerError(f"{run.folder}: NaN or infinity in the outputs; train again")
        if "event" in logits:
            kinds[rows] = logits["event"]
        for row, values in zip(rows, logits.get("ner", ()), strict=False):
            spans[row] = decode_spans(values[: len(items[row].ids)], items[row].offsets, items[row].special)
    return (kinds if "event" in tasks else None), (spans if "ner" in tasks else None)


def event_runs(place: Path) -> list[Path]:
    """The run folders that a place stands for: itself, or those of the tasks in it."""
    if (place / BEST).is_file():
        return [place]
    pair = [place / task for task in ("event", "ner") if (place / task / BEST).is_file()]
    return pair or [place / "joint"]
