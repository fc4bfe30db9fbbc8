"""The mistakes of which a character model was surest, in words, with file and line."""

from __future__ import annotations

import msgspec
import numpy as np
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_exporter.evaluate.judged import Judged
from storyteller_exporter.evaluate.row_figures import log_softmax, sigmoid


class CharacterMistake(msgspec.Struct, frozen=True, kw_only=True):
    """One field of one example that was read wrongly."""

    file: str
    line: int
    #: Who to whom, in which scene, after which event.
    example: str
    field: str
    labelled: str
    predicted: str
    #: The probability that the model gave to what it predicted, and to what is labelled.
    probability: float
    probability_of_label: float

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.field}: predicted {self.predicted} ({self.probability:.1%}), "
            f"labelled {self.labelled} ({self.probability_of_label:.1%}); {self.example}"
        )


def surest_mistakes(judged: Judged, count: int) -> list[CharacterMistake]:
    """The wrong readings of categorical fields and of `speech.occurs` with the highest probabilities, surest first.

    An example is listed once, by the field of which the model was surest. The dominant emotion and the deltas are
    plain numbers, of which a model cannot be sure; of what is drawn at random it cannot know better than the odds, so
    the list is mostly of what follows from the input.
    """
    rows = np.arange(len(judged))
    best = np.zeros(len(judged))
    entries: list[tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]] = []
    for region in PREDICTIONS.regions:
        for field in region.fields:
            span = region.locate(field.name)
            x, y = judged.logits[:, span].astype(np.float64), judged.labels[:, span]
            if field.kind is Kind.ONE_HOT:
                chances, names = np.exp(log_softmax(x)), field.labels
                known, wanted = y.any(axis=1), y.argmax(axis=1)
            elif field.kind is Kind.BINARY and not field.labels:
                yes = sigmoid(x[:, 0])
                chances, names = np.stack([1 - yes, yes], axis=1), ("no", "yes")
                known, wanted = np.ones(len(y), bool), (y[:, 0] == 1).astype(np.intp)
            else:
                continue
            taken = chances.argmax(axis=1)
            sure = np.where(known & (taken != wanted), chances[rows, taken], 0.0)
            entries.append((f"{region.name}.{field.name}", sure, chances, taken, wanted, names))
            best = np.maximum(best, sure)
    order = [int(index) for index in np.argsort(-best, kind="stable")[:count] if best[index] > 0]
    mistakes = []
    for index, place in zip(order, judged.places(order), strict=True):
        name, sure, chances, taken, wanted, names = max(entries, key=lambda entry: float(entry[1][index]))
        mistakes.append(
            CharacterMistake(
                file=place.file,
                line=place.line,
                example=in_words(judged, index),
                field=name,
                labelled=names[wanted[index]],
                predicted=names[taken[index]],
                probability=float(sure[index]),
                probability_of_label=float(chances[index, wanted[index]]),
            )
        )
    return mistakes


def in_words(judged: Judged, index: int) -> str:
    """An example: who to whom, in which scene, after which event."""
    cell, about = judged.cell(index), judged.described(index)
    side = "role a" if cell.a_is_role_a else "role b"
    return (
        f"{cell.archetype_a} ({side}) to {cell.archetype_b}, {cell.dynamic}; {cell.profile}, scene {about['scene']}; "
        f"{about['register']} {about['event']}"
    )
