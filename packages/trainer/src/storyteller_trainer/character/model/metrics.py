"""How good the predictions are, beside the loss: counted over batches, read as the engine reads them.

Precision is the share of what was predicted that is right, recall the share of what is labelled that was found, F1
their harmonic mean; each is 0 where its denominator is.

Binary outputs are trained as logits, so a raw value above 0 is a probability above 0.5. The engine cuts the RAW value
at 0.5, a probability of about 0.622, and takes a shift only with its delta. Both readings are given wherever an
accuracy is.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.batch import decode_outputs_batch
from storyteller_schema.contract.layout import Field, Kind
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.violations import Floats

_DOMINANT = "thought.dominant_emotion_index"
#: The raw value at which a logit is a probability of one half.
_EVEN_ODDS = 0.0


class ClassScore(msgspec.Struct, frozen=True):
    """How well one class was told from the others."""

    precision: float
    recall: float
    f1: float
    #: How many examples are labelled so.
    support: int


class Categorical(msgspec.Struct, frozen=True):
    """A one-hot field. Examples whose label is all zero (no register where nobody speaks) are left out."""

    accuracy: float
    examples: int
    #: By variant, in wire order.
    classes: dict[str, ClassScore]
    #: [labelled][predicted], in wire order.
    confusion: list[list[int]]


class BinaryScore(msgspec.Struct, frozen=True):
    """A binary field, cut in one way."""

    accuracy: float
    f1: float


class Binary(msgspec.Struct, frozen=True):
    """A binary field; the eight primaries' shifts count together."""

    #: Share of the labels that are 1: what the accuracy of always saying yes would be.
    rate: float
    #: Cut at a probability of one half.
    at_even_odds: BinaryScore
    #: As the engine reads it: cut at its raw value, a shift only where its delta is kept.
    as_engine: BinaryScore


class Continuous(msgspec.Struct, frozen=True):
    """A field of plain numbers; the eight primaries' deltas count together."""

    mean_absolute_error: float
    root_mean_square_error: float
    #: Only of the dominant emotion: the share that is right after the engine's rounding.
    accuracy: float | None = None


class Metrics(msgspec.Struct, frozen=True):
    """By field (`action.type`), in wire order within each kind."""

    categorical: dict[str, Categorical]
    binary: dict[str, Binary]
    continuous: dict[str, Continuous]


def _fields(kind: Kind) -> Iterator[tuple[str, Field, slice]]:
    for region in PREDICTIONS.regions:
        for field in region.fields:
            if field.kind is kind:
                yield f"{region.name}.{field.name}", field, region.locate(field.name)


class MetricsCounter:
    """Adds up counts and errors batch by batch, so that every example weighs the same whatever the batches are."""

    def __init__(self) -> None:
        self._confusion = {
            name: np.zeros((field.size, field.size), np.int64) for name, field, _ in _fields(Kind.ONE_HOT)
        }
        #: Field, and whether as the engine, to [true positives, false positives, false negatives, true negatives].
        self._binary = {
            (name, as_engine): np.zeros(4, np.int64)
            for name, _, _ in _fields(Kind.BINARY)
            for as_engine in (False, True)
        }
        #: Field to [sum of absolute errors, sum of squared errors, number of values].
        self._errors = {name: np.zeros(3) for name, _, _ in _fields(Kind.FLOAT)}
        self._dominant_right = 0

    def add(self, outputs: Floats, labels: Floats) -> None:
        """Counts a batch: raw outputs and labels, both [batch, outputs] float32."""
        decoded = decode_outputs_batch(outputs)
        for name, _, span in _fields(Kind.ONE_HOT):
            self._add_categorical(name, decoded[name], labels[:, span])
        for (name, as_engine), counts in self._binary.items():
            span = PREDICTIONS.span(name)
            raw, actual = outputs[:, span], labels[:, span] == 1
            predicted = decoded[name].reshape(raw.shape) if as_engine else raw > _EVEN_ODDS
            pairs = ((predicted, actual), (predicted, ~actual), (~predicted, actual), (~predicted, ~actual))
            counts += [np.count_nonzero(a & b) for a, b in pairs]
        for name, _, span in _fields(Kind.FLOAT):
            error = outputs[:, span].astype(np.float64) - labels[:, span]
            self._errors[name] += [np.abs(error).sum(), (error**2).sum(), error.size]
        self._dominant_right += int((decoded[_DOMINANT] == labels[:, PREDICTIONS.span(_DOMINANT).start]).sum())

    def _add_categorical(self, name: str, predicted: NDArray[np.intp], one_hot: Floats) -> None:
        counts = self._confusion[name]
        labelled = one_hot.any(axis=1)
        pairs = one_hot[labelled].argmax(axis=1) * len(counts) + predicted[labelled]
        counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)

    def result(self) -> Metrics:
        """What the counts come to."""
        return Metrics(
            categorical={name: _categorical(field, self._confusion[name]) for name, field, _ in _fields(Kind.ONE_HOT)},
            binary={name: self._binary_result(name) for name, _, _ in _fields(Kind.BINARY)},
            continuous={name: self._continuous(name) for name, _, _ in _fields(Kind.FLOAT)},
        )

    def _binary_result(self, name: str) -> Binary:
        even, engine = self._binary[name, False], self._binary[name, True]
        true_positive, _, false_negative, _ = even.tolist()
        return Binary(_ratio(true_positive + false_negative, even.sum()), _reading(even), _reading(engine))

    def _continuous(self, name: str) -> Continuous:
        absolute, squared, count = self._errors[name]
        return Continuous(
            mean_absolute_error=_ratio(absolute, count),
            root_mean_square_error=float(np.sqrt(_ratio(squared, count))),
            accuracy=_ratio(self._dominant_right, count) if name == _DOMINANT else None,
        )


def _categorical(field: Field, confusion: NDArray[np.int64]) -> Categorical:
    right, predicted, labelled = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    return Categorical(
        accuracy=_ratio(right.sum(), confusion.sum()),
        examples=int(confusion.sum()),
        classes={
            label: ClassScore(
                precision=_ratio(right[i], predicted[i]),
                recall=_ratio(right[i], labelled[i]),
                f1=_ratio(2 * right[i], predicted[i] + labelled[i]),
                support=int(labelled[i]),
            )
            for i, label in enumerate(field.labels)
        },
        confusion=confusion.tolist(),
    )


def _reading(counts: NDArray[np.int64]) -> BinaryScore:
    true_positive, false_positive, false_negative, true_negative = (int(count) for count in counts)
    return BinaryScore(
        accuracy=_ratio(true_positive + true_negative, counts.sum()),
        f1=_ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative),
    )


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
