"""Event models ready to be judged: runs, by PyTorch in batches, or the folder of exported files, a sentence a call.

Both give the same numbers to 1e-4, and are read as the engine reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EventKind, Span, decode_events, event_probabilities
from storyteller_schema.contract.onnx import EVENT, JOINT, NER
from storyteller_schema.contract.spans import decode_spans
from storyteller_trainer.events.data.encoding import Encoded, collate, encode, evaluation_order
from storyteller_trainer.events.model.checkpoint import EventCheckpoint, EventMetadata, load_event_checkpoint
from storyteller_trainer.events.model.classifiers import named_logits
from storyteller_trainer.runs.run_files import BEST
from storyteller_trainer.runs.tensor_file import read_metadata

from storyteller_exporter.evaluate.classifier_evaluation import PredictedSet, run_set
from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding, SentencePrediction
from storyteller_exporter.evaluate.model_facts import EventModelFacts
from storyteller_exporter.evaluate.sets import EvaluationSet, learned_convention
from storyteller_exporter.evaluate.source_run import places_of_event_runs, run_with
from storyteller_exporter.events.file_metadata import SOURCE, source_notes
from storyteller_exporter.onnx import metadata_props

#: Sentences in one forward pass.
BATCH = 32
#: The tasks that a model of a task has.
TASKS = {"event": ["event"], "ner": ["ner"], "joint": ["event", "ner"]}


class ClassifierSource(NamedTuple):
    """Where one of the models comes from."""

    #: The run, or the file.
    name: str
    task: str
    #: Those in `file_metadata.SOURCE` that are known.
    notes: Mapping[str, str]
    #: The run's folder and what its checkpoint says; None where it is not at hand.
    folder: Path | None
    metadata: EventMetadata | None


class EventModel:
    """Models of one or both tasks, loaded and ready to run."""

    def __init__(
        self,
        facts: EventModelFacts,
        sources: Sequence[ClassifierSource],
        learned: str | None,
        run: Callable[[EvaluationSet], PredictedSet],
    ) -> None:
        self.facts = facts
        self.sources = sources
        #: Whether the spans that they learned hold their determiners; None where that is not known.
        self.learned = learned
        #: What they read from a set; of a task that they have not, what is annotated. Raises a StorytellerError where
        #: they refuse a sentence, or give NaN or infinity.
        self.run = run

    @property
    def finds_events(self) -> bool:
        """Whether there is a model of kinds."""
        return "event" in self.facts.tasks

    @property
    def finds_entities(self) -> bool:
        """Whether there is a model of entities."""
        return "ner" in self.facts.tasks


def event_runs(place: Path) -> list[Path]:
    """The run folders that a place stands for: itself, or those of the tasks in it."""
    if (place / BEST).is_file():
        return [place]
    pair = [place / task for task in ("event", "ner") if (place / task / BEST).is_file()]
    return pair or [place / "joint"]


def holds_files(place: Path) -> bool:
    """Whether a folder holds exported event models."""
    return any((place / interface.file_name).is_file() for interface in (EVENT, NER, JOINT))


def open_event_model(place: Path, runs: Sequence[Path] = ()) -> EventModel:
    """The folder of exported files, a run, or a folder of runs.

    Args:
        runs: where the runs of files are looked for before artifacts/.

    Raises:
        StorytellerError: a file or run is missing, or cannot be read.
    """
    if holds_files(place):
        return _of_files(place, runs)
    return of_runs([load_event_checkpoint(folder) for folder in event_runs(place)])


def of_runs(runs: Sequence[EventCheckpoint]) -> EventModel:
    """Some runs, as one model."""
    about = [run.metadata for run in runs]
    sources = [
        ClassifierSource(str(run.folder), run.metadata.task, source_notes(run.metadata), run.folder, run.metadata)
        for run in runs
    ]
    facts = EventModelFacts(
        file=" and ".join(str(run.folder) for run in runs),
        form="checkpoint",
        bytes=sum((run.folder / BEST).stat().st_size for run in runs),
        tasks=[task for one in about for task in TASKS[one.task]],
        sources=_told(sources),
    )
    learned = next((one.spans.value for one in about if one.task.finds_entities), None)
    return EventModel(facts, sources, learned, lambda data: _run(runs, data))


def _of_files(folder: Path, runs: Sequence[Path]) -> EventModel:
    engine = EngineEvents(folder)
    sources = []
    for file in engine.files:
        notes = {key: file.metadata[key] for key in SOURCE if key in file.metadata}
        run = None
        if len(notes) == len(SOURCE):
            places = [*runs, *places_of_event_runs()]
            run = run_with(notes | {"task": file.task}, places, EventMetadata, _notes_and_task)
        metadata = None if run is None else read_metadata(run / BEST, EventMetadata)
        sources.append(ClassifierSource(file.file, file.task, notes, run, metadata))
    facts = EventModelFacts(
        file=str(folder),
        form="onnx",
        bytes=sum(file.bytes for file in engine.files),
        tasks=[task for file in engine.files for task in TASKS[file.task]],
        sources=_told(sources),
    )
    learned = learned_convention(engine.files)
    return EventModel(facts, sources, learned, lambda data: run_set(engine, data, Padding.DYNAMIC))


def _notes_and_task(about: EventMetadata) -> dict[str, str]:
    return source_notes(about) | {"task": about.task.value}


def _told(sources: Sequence[ClassifierSource]) -> dict[str, dict[str, str]]:
    return {
        one.task: {key.removeprefix(metadata_props.PREFIX): value for key, value in one.notes.items()}
        for one in sources
    }


def _run(runs: Sequence[EventCheckpoint], data: EvaluationSet) -> PredictedSet:
    kinds: NDArray[np.float32] | None = None
    spans: list[list[Span]] | None = None
    # The last is the one that finds entities, whose tokens decide where a text is cut.
    encodings = encode(data.examples, runs[-1].tokenizer)
    for run in runs:
        items = encodings.items if run is runs[-1] else encode(data.examples, run.tokenizer).items
        found_kinds, found_spans = _read(run, items)
        kinds = kinds if found_kinds is None else found_kinds
        spans = spans if found_spans is None else found_spans
    predictions = [
        SentencePrediction(
            tuple(example.event_kinds) if kinds is None else decode_events(kinds[row]),
            tuple(map(float, item.kinds if kinds is None else event_probabilities(kinds[row]))),
            item.spans if spans is None else spans[row],
        )
        for row, (example, item) in enumerate(zip(data.examples, encodings.items, strict=True))
    ]
    return PredictedSet(data, encodings, predictions)


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
