"""The sets that a model is evaluated on: files, the held-out sets of its training, the prose set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_trainer.events.data.convention import SpanConvention, convention, converted
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.split import HELD_OUT
from storyteller_trainer.events.model.checkpoint import EventMetadata
from storyteller_trainer.runs.run_files import BEST
from storyteller_trainer.runs.tensor_file import read_metadata
from storyteller_trainer.sample.events.prose import load_prose

from storyteller_exporter.evaluate.engine_events import ModelFile
from storyteller_exporter.events.file_metadata import SPANS, describe_source, source_notes

TITLES = {"random": "held-out random", "skeletons": "unseen skeletons"}


@dataclass(frozen=True)
class EvaluationSet:
    """Annotated sentences, and what reports call them."""

    name: str
    #: Where they come from, for people.
    source: str
    examples: list[EventExample]
    #: What was done to them before they were scored.
    notices: list[str] = field(default_factory=list)


def data_sets(files: Iterable[StrPath]) -> list[EvaluationSet]:
    """Each file by its name, or by its whole path where two share a name.

    Raises:
        StorytellerError: a file is missing, empty or wrong.
    """
    paths = [Path(file) for file in files]
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else str(path) for path in paths]
    return [EvaluationSet(name, str(path), load_events(path).examples) for name, path in zip(names, paths, strict=True)]


def prose_set() -> EvaluationSet:
    """The sentences written and annotated by hand, which come with the workspace."""
    return EvaluationSet("prose", "hand-annotated prose, shipped with the trainer", load_prose())


def held_out_sets(runs: StrPath, files: Sequence[ModelFile]) -> list[EvaluationSet]:
    """What the training runs of these models kept from them.

    Args:
        runs: holds a run folder for each model, named as its task.

    Raises:
        StorytellerError: a run or its held-out sets are missing; a model was exported from another run; or the models
            were not trained with the same split, so that one may have seen what was held out from the other.
    """
    runs = Path(runs)
    for file in files:
        _check_source(runs / file.task, file)
    sets = []
    for part, name in HELD_OUT.items():
        paths = [runs / file.task / name for file in files]
        examples = load_events(paths[0]).examples
        for path in paths[1:]:
            if not path.is_file() or path.read_bytes() != paths[0].read_bytes():
                raise StorytellerError(
                    f"{paths[0]} and {path} are not the same: one model may have seen what was held out from the "
                    "other; train both on the same data with the same --seed and --split"
                )
        sets.append(EvaluationSet(TITLES[part], str(paths[0]), examples))
    return sets


def learned_convention(models: Sequence[ModelFile]) -> str | None:
    """What the files say of the spans that they learned; None where they say nothing."""
    # Only one of the files finds entities, and only its training data's spans count.
    return next((file.metadata[SPANS] for file in models if file.task != "event" and SPANS in file.metadata), None)


def evenly(data: EvaluationSet, most: int) -> EvaluationSet:
    """At most so many sentences of a set, evenly spaced."""
    rows = np.linspace(0, len(data.examples) - 1, min(most, len(data.examples))).round().astype(int)
    return replace(data, examples=[data.examples[row] for row in rows])


def in_convention(learned: str | None, data: EvaluationSet) -> EvaluationSet:
    """The set with its spans as the models learned them: with their determiners, or without.

    A set of the other convention is converted, and its notices say so. Where models or set do not tell what they do,
    nothing is changed.

    Raises:
        StorytellerError: the set mixes both conventions.
    """
    found = convention(data.examples)
    clear = (SpanConvention.INSIDE, SpanConvention.OUTSIDE)
    if learned not in clear or found.name in (SpanConvention.UNKNOWN, learned):
        return data
    if found.name is SpanConvention.MIXED:
        raise StorytellerError(
            f"{data.source}: some of its entity spans hold their determiners and some do not ({found.describe()}), and "
            f"the models learned {learned}; convert it with `import-annotations --determiners`"
        )
    wanted = SpanConvention(learned)
    notice = f"converted: its spans had {found.name} ({found.describe()}), and the models learned {wanted}"
    return replace(data, examples=converted(data.examples, wanted), notices=[*data.notices, notice])


def _check_source(run: Path, file: ModelFile) -> None:
    """The model comes from this run, as far as its notes say."""
    if not (run / BEST).is_file():
        raise StorytellerError(
            f"{run / BEST}: there is no trained model; name the folder of runs that {file.file} was exported from"
        )
    about = read_metadata(run / BEST, EventMetadata)
    given = source_notes(about)
    if any(file.metadata.get(key) != value for key, value in given.items()):
        raise StorytellerError(
            f"{file.file} was exported from another run than {run}: {describe_source(file.metadata)} against "
            f"{describe_source(given)}; export again"
        )
