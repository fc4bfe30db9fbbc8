"""Generation: scenarios and labels are drawn in chunks, and incoherent examples rejected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from storyteller_schema.common.errors import StorytellerError

from storyteller_trainer.character.data.manifest import IrreducibleLoss, combine
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.rules.array_views import Float32, Float64, Int
from storyteller_trainer.character.rules.coherence import coherence
from storyteller_trainer.character.rules.conditionals import conditionals
from storyteller_trainer.character.rules.irreducible import accepted, best_accuracies, lowest_terms
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptors import Descriptors
from storyteller_trainer.sample.character.labels import draw_labels
from storyteller_trainer.sample.character.plan import Plan, make_plan
from storyteller_trainer.sample.character.scenarios import draw_scenarios
from storyteller_trainer.sample.character.streams import EXAMPLE_STREAM, stream

#: Examples drawn at once, each chunk from a stream of its own: the size of a chunk is part of what a seed means.
CHUNK = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleChunk:
    """Consecutive examples: n accepted ones, and how many were rejected among them."""

    #: [n, inputs]
    features: Float32
    #: [n, outputs]
    labels: Float32
    #: [n]: positions in the plan's cells.
    cells: Int
    #: [n]: which of its cell's examples each is, from 0.
    variations: Int
    #: [n]
    coherence: Float64
    rejected: int
    #: For each loss term [n]: the lowest expected loss.
    lowest_terms: dict[str, Float64]
    #: For each output that is left to chance [n]: the probability of its likeliest value.
    best_accuracy: dict[str, Float64]


def draw_chunks(plan: Plan) -> Iterator[SampleChunk]:
    """All examples of a plan: cell after cell, chunk after chunk. Memory does not grow with their number."""
    config = plan.config
    tables = Tables.of(plan.descriptors)
    ends = np.cumsum(plan.counts)
    for number, start in enumerate(range(0, plan.total, CHUNK)):
        index = np.arange(start, min(start + CHUNK, plan.total))
        cells = np.searchsorted(ends, index, side="right")
        rng = stream(config.seed, EXAMPLE_STREAM, number)
        scenarios = draw_scenarios(tables, plan.cells.take(cells), rng)
        features = scenarios.features
        given = conditionals(features, scenarios.axes)
        labels = draw_labels(given, rng)
        score = coherence(features, labels)
        kept = score >= config.min_coherence
        given, leaving = accepted(features, labels, given, config.min_coherence)
        yield SampleChunk(
            features=features[kept],
            labels=labels[kept],
            cells=cells[kept],
            variations=(index - ends[cells] + plan.counts[cells])[kept],
            coherence=score[kept],
            rejected=int(np.count_nonzero(~kept)),
            lowest_terms={name: term[kept] for name, term in lowest_terms(features, given, leaving).items()},
            best_accuracy={name: share[kept] for name, share in best_accuracies(given).items()},
        )


class Totals:
    """Counts and means over the chunks of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen = np.zeros(len(plan.cells), np.bool_)
        self._coherence = 0.0
        self._terms: dict[str, float] = {}
        self._accuracy: dict[str, float] = {}
        self.valid = 0
        self.rejected = 0

    def add(self, chunk: SampleChunk) -> None:
        """Counts one more chunk."""
        self.valid += len(chunk.features)
        self.rejected += chunk.rejected
        self._seen[chunk.cells] = True
        self._coherence += float(chunk.coherence.sum())
        for sums, values in ((self._terms, chunk.lowest_terms), (self._accuracy, chunk.best_accuracy)):
            for name, of_examples in values.items():
                sums[name] = sums.get(name, 0.0) + float(of_examples.sum())

    @property
    def cells(self) -> int:
        """Cells that have an accepted example."""
        return int(np.count_nonzero(self._seen))

    @property
    def mean_coherence(self) -> float:
        """Of the accepted examples."""
        return self._coherence / self.valid

    @property
    def irreducible(self) -> IrreducibleLoss:
        """Averaged over the accepted examples."""
        return combine({name: total / self.valid for name, total in self._terms.items()}, HEAD_WEIGHTS)

    @property
    def best_accuracy(self) -> dict[str, float]:
        """Averaged over the accepted examples."""
        return {name: total / self.valid for name, total in self._accuracy.items()}

    def require_some(self) -> None:
        """Refuses an empty result.

        Raises:
            StorytellerError: every example was rejected.
        """
        if not self.valid:
            raise StorytellerError(
                f"all {self.rejected} examples scored below a coherence of {self._plan.config.min_coherence}; "
                "lower --min-coherence"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleDataset:
    """Generated examples in memory."""

    #: [n, inputs]
    features: Float32
    #: [n, outputs]
    labels: Float32
    #: [n]: positions in `plan.cells`.
    cells: Int
    #: [n]
    coherence: Float64
    plan: Plan
    irreducible: IrreducibleLoss
    best_accuracy: dict[str, float]


def generate_dataset(descriptors: Descriptors, config: SampleConfig | None = None) -> SampleDataset:
    """Generates examples into memory: the numbers that `write_dataset` writes for the same arguments.

    Raises:
        StorytellerError: the descriptors do not allow what is asked for, or every example was rejected.
    """
    plan = make_plan(descriptors, config or SampleConfig())
    totals = Totals(plan)
    chunks = list(draw_chunks(plan))
    for chunk in chunks:
        totals.add(chunk)
    totals.require_some()
    return SampleDataset(
        features=np.concatenate([chunk.features for chunk in chunks]),
        labels=np.concatenate([chunk.labels for chunk in chunks]),
        cells=np.concatenate([chunk.cells for chunk in chunks]),
        coherence=np.concatenate([chunk.coherence for chunk in chunks]),
        plan=plan,
        irreducible=totals.irreducible,
        best_accuracy=totals.best_accuracy,
    )
