"""Labels as what they are on average: what the rules say of each example, in the place of what chance made of it.

A label that is drawn at random teaches by its expectation; around that it only scatters. Where data follow the rules
the expectation is known: for a categorical or binary label its probabilities, for a number its mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from storyteller_trainer.character.data.manifest import Ceiling
from storyteller_trainer.character.data.rows import Rows, take
from storyteller_trainer.character.rules.array_views import Bool, Float32, Float64, Int, label
from storyteller_trainer.character.rules.axes import AxisPlaces, read_axes
from storyteller_trainer.character.rules.conditionals import CONFIDENCE, VALENCE_NOISE, Conditionals, conditionals
from storyteller_trainer.character.rules.irreducible import (
    accepted,
    best_accuracies,
    clamped_moments,
    delta_moments,
    lowest_terms,
)

#: Examples worked on at once, few enough that what is computed of them stays small.
PART = 8192
#: Of more examples than this, so many are looked at for the irreducible loss.
CEILING_ROWS = 131_072


@dataclass(frozen=True, kw_only=True, eq=False)
class Rules:
    """What it takes to apply the label rules to the examples of a data set."""

    #: [all examples], as in `read_axes`.
    archetypes: Int
    #: Where the axes lie.
    places: AxisPlaces | None
    #: Examples below were rejected.
    min_coherence: float

    def expected(self, features: Float32, labels: Float32, rows: Int) -> Float32:
        """The expected labels [n, outputs] of some examples; what is certain, and what cannot be known, stays.

        Args:
            features: [n, inputs]; labels: [n, outputs], as they were drawn.
            rows: [n], the examples' positions in the data set.
        """
        found = labels.copy()
        for start in range(0, len(rows), PART):
            part = slice(start, start + PART)
            known, given, leaving = self._apply(features[part], labels[part], rows[part])
            found[part][known] = _expected(features[part], labels[part], given, leaving)[known]
        return found

    def ceiling(self, features: Rows, labels: Rows) -> Ceiling:
        """What no model of the data set can go beyond; nothing is claimed where an example's axes are not known.

        The mean over all examples, or over CEILING_ROWS of more, spread evenly.

        Args:
            features: [all examples, inputs]; labels: [all examples, outputs].
        """
        terms: dict[str, float] = {}
        accuracy: dict[str, float] = {}
        count = min(len(features), CEILING_ROWS)
        for rows in _parts(len(features), count):
            some = take(features, rows)
            known, given, leaving = self._apply(some, take(labels, rows), rows)
            if not known.all():
                return Ceiling(min_coherence=self.min_coherence)
            for sums, values in ((terms, lowest_terms(some, given, leaving)), (accuracy, best_accuracies(given))):
                for name, of_examples in values.items():
                    sums[name] = sums.get(name, 0.0) + float(of_examples.sum()) / count
        return Ceiling(terms=terms, best_accuracy=accuracy, min_coherence=self.min_coherence)

    def _apply(self, features: Float32, labels: Float32, rows: Int) -> tuple[Bool, Conditionals, Float64]:
        """Whether all axes of each of some examples are known [n], and what `accepted` says of them."""
        axes = read_axes(features, self.archetypes[rows], self.places)
        known = ~np.logical_or.reduce([np.isnan(values) for values in axes.values()])
        given, leaving = accepted(features, labels, conditionals(features, axes), self.min_coherence)
        return known, given, leaving


def _parts(examples: int, count: int) -> Iterator[Int]:
    """`count` positions among so many examples, spread evenly, part by part."""
    for start in range(0, count, PART):
        yield np.arange(start, min(start + PART, count)) * examples // count


def _expected(features: Float32, labels: Float32, given: Conditionals, leaving: Float64) -> Float32:
    deltas, _, shifts = delta_moments(features, given, leaving)
    confidence = sum(CONFIDENCE) / 2
    found = labels.copy()
    label(found, "action.type")[:] = given.action_type
    label(found, "action.confidence")[:] = confidence
    label(found, "action.emotional_valence")[:, 0] = clamped_moments(
        given.valence - VALENCE_NOISE, given.valence + VALENCE_NOISE
    )[0]
    label(found, "action.context")[:] = given.action_context
    label(found, "speech.occurs")[:, 0] = given.speech_occurs
    label(found, "speech.register")[:] = given.speech_register
    label(found, "speech.confidence")[:] = confidence
    label(found, "emotion.intensity_delta")[:] = deltas
    label(found, "emotion.awareness_shift")[:] = shifts
    return found
