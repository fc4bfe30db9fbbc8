"""How good a character model is, run and read as the engine does it, beside the best that any model can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from storyteller_schema.common.files import StrPath, write_atomic
from storyteller_schema.contract.predictions import HEADS, Prediction, decode_outputs
from storyteller_trainer.character.model.held_out import DividedData
from storyteller_trainer.character.model.metrics import Metrics, MetricsCounter

from storyteller_exporter.evaluate.calibration import Calibration, calibrations
from storyteller_exporter.evaluate.character_mistakes import CharacterMistake, surest_mistakes
from storyteller_exporter.evaluate.character_model import CharacterPredictor
from storyteller_exporter.evaluate.character_slices import CERTAIN, Slice, slices
from storyteller_exporter.evaluate.intervals import Estimate, mean_of_groups, share
from storyteller_exporter.evaluate.judged import Judged
from storyteller_exporter.evaluate.model_facts import ModelFacts
from storyteller_exporter.evaluate.row_figures import Column, hits, row_losses, row_terms


class JudgedData(msgspec.Struct, frozen=True, kw_only=True):
    """What the model was judged on."""

    #: Where the examples come from, for people.
    source: str
    files: list[str]
    #: SHA-256, hex, of the content.
    hash: str
    #: How many examples were judged, and of how many cells.
    examples: int
    cells: int
    #: Whether the model was trained on the other examples of the same data, and on none of these.
    held_out: bool


class LossFigure(msgspec.Struct, frozen=True):
    """A loss, beside the lowest that the labels leave to any model, where the data's manifest tells it."""

    loss: Estimate
    #: Of the whole data set; None where it is not known.
    irreducible: float | None
    #: The difference, which is what the model is to blame for; chance can make it negative.
    excess: float | None


class Accuracy(msgspec.Struct, frozen=True):
    """The share of a field that is read right, beside the highest that can be expected of any model."""

    as_engine: Estimate
    #: Cut at a probability of one half; only of a binary field.
    at_even_odds: Estimate | None
    #: Of the whole data set; None where it is not known.
    ceiling: float | None


class CharacterReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `evaluate-character-model` found out."""

    model: ModelFacts
    data: JudgedData
    #: What is to be known before the figures are believed.
    notices: list[str]
    #: The share of each head in the total.
    head_weights: dict[str, float]
    #: `total`, weighted, and the heads, unweighted.
    losses: dict[str, LossFigure]
    #: By output field.
    terms: dict[str, LossFigure]
    #: By judged field.
    accuracy: dict[str, Accuracy]
    #: As `run.json` has them: F1 and confusion among others.
    metrics: Metrics
    calibration: dict[str, Calibration]
    slices: list[Slice]
    mistakes: list[CharacterMistake]


class CharacterPredicted(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the predictions file."""

    file: str
    line: int
    #: As the engine reads the outputs.
    prediction: Prediction
    #: The outputs as the model gives them.
    outputs: list[float]


def evaluate(model: CharacterPredictor, divided: DividedData, judged: Judged, *, worst: int = 20) -> CharacterReport:
    """Every figure of a model on examples that it has run on.

    Args:
        divided: the data that the examples come from, and how the model's run divided it.
        worst: how many mistakes to keep.
    """
    terms = row_terms(judged.logits, judged.labels)
    losses = row_losses(terms, model.head_weights)
    ceiling = judged.data.ceiling
    lowest = ceiling.irreducible(model.head_weights)
    floors: Mapping[str, float] = (
        {} if lowest is None else {"total": lowest.total, **{head: getattr(lowest, head) for head in HEADS}}
    )
    best = dict(ceiling.best_accuracy)
    if ceiling.terms is not None:
        best |= {name: 1.0 for name in CERTAIN if ceiling.terms.get(name) == 0}
    counter = MetricsCounter()
    counter.add(judged.raw, judged.labels)
    return CharacterReport(
        model=model.facts,
        data=JudgedData(
            source=divided.describe(),
            files=[file.path for file in judged.data.files],
            hash=judged.data.content_hash,
            examples=len(judged),
            cells=len(set(judged.cells.tolist())),
            held_out=divided.split is not None,
        ),
        notices=[*judged.data.notices, *_notices(model, divided)],
        head_weights=model.head_weights,
        losses={name: _figure(values, judged, floors.get(name)) for name, values in losses.items()},
        terms={name: _figure(values, judged, (ceiling.terms or {}).get(name)) for name, values in terms.items()},
        accuracy=_accuracies(judged, best),
        metrics=counter.result(),
        calibration=calibrations(judged.logits, judged.labels),
        slices=slices(judged, losses["total"]),
        mistakes=surest_mistakes(judged, worst),
    )


def _figure(values: Column, judged: Judged, floor: float | None) -> LossFigure:
    loss = mean_of_groups(values, judged.cells)
    assert loss is not None  # at least one example is judged
    return LossFigure(loss, floor, None if floor is None else loss.value - floor)


def _accuracies(judged: Judged, best: Mapping[str, float]) -> dict[str, Accuracy]:
    found = {}
    even = hits(judged.logits + 0.5, judged.labels)["speech.occurs"]
    for name, (known, right) in hits(judged.raw, judged.labels).items():
        engine = share(int(right.sum()), int(known.sum()))
        if engine is not None:
            halves = share(int(even[1].sum()), int(even[0].sum())) if name == "speech.occurs" else None
            found[name] = Accuracy(engine, halves, best.get(name))
    return found


def _notices(model: CharacterPredictor, divided: DividedData) -> list[str]:
    lines = []
    if divided.split is None and model.facts.data_hash == divided.data.content_hash:
        lines.append(
            "the model was trained on this very data, and which examples it held out is not known: the figures flatter "
            "it; name its run with --checkpoint"
        )
    if divided.data.ceiling.terms is None:
        lines.append("no manifest beside the data says what is possible: losses and accuracies stand without a ceiling")
    elif divided.split is not None:
        lines.append("irreducible losses and ceilings are of the whole data set, the rest of what was held out")
    return lines


def write_character_predictions(path: StrPath, judged: Judged) -> None:
    """Writes a JSON line for each example, in the order of the data: a `CharacterPredicted`.

    Raises:
        StorytellerError: the file cannot be written.
    """
    write_atomic(path, b"".join(msgspec.json.encode(line) + b"\n" for line in _lines(judged)))


def _lines(judged: Judged) -> Sequence[CharacterPredicted]:
    every = judged.places(range(len(judged)))
    return [
        CharacterPredicted(
            file=place.file, line=place.line, prediction=decode_outputs(raw), outputs=list(map(float, raw))
        )
        for place, raw in zip(every, judged.raw, strict=True)
    ]
