"""What the classifiers of event runs read from the sets of a page: what they held out, and prose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.split import HELD_OUT
from storyteller_trainer.events.model.checkpoint import EventCheckpoint

from storyteller_exporter.evaluate.classifier_evaluation import PredictedSet, SetReport, score
from storyteller_exporter.evaluate.event_model import EventModel
from storyteller_exporter.evaluate.sets import TITLES, EvaluationSet, evenly, in_convention, prose_set

#: Sentences of a set that are read, evenly spaced: a minute of one core for MiniLM.
MOST = 1000
#: Mistakes of each set.
WORST = 10


@dataclass(frozen=True)
class ReadSet:
    """A set, as the classifiers read it."""

    name: str
    #: How many sentences the set has; not all of them need have been read.
    size: int
    run: PredictedSet
    #: Of a task that no classifier has, it has every score at its best: what is annotated was taken for read.
    report: SetReport

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """[n, K]: the annotated kinds, of the sentences whose kinds were annotated."""
        return np.stack([item.kinds for item in self.run.encodings.items])[self._known] > 0

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[n, K]: of the same sentences."""
        return np.array([one.probabilities for one in self.run.predictions])[self._known]

    @property
    def _known(self) -> NDArray[np.bool_]:
        return np.array([item.kinds_annotated for item in self.run.encodings.items])


def sets_of(runs: Sequence[EventCheckpoint]) -> list[EvaluationSet]:
    """What the runs held out, as far as it is still there, then the hand-annotated prose."""
    folder = runs[0].folder
    found = []
    for part, name in HELD_OUT.items():
        path = folder / name
        if path.is_file():
            found.append(EvaluationSet(TITLES[part], str(path), load_events(path).examples))
    return [*found, prose_set()]


def read_set(model: EventModel, data: EvaluationSet) -> ReadSet:
    """Runs the classifiers on at most MOST sentences of a set, whose spans are what the classifiers learned.

    Raises:
        StorytellerError: a classifier gives NaN or infinity.
    """
    run = model.run(in_convention(model.learned, evenly(data, MOST)))
    return ReadSet(data.name, len(data.examples), run, score(run, WORST))
