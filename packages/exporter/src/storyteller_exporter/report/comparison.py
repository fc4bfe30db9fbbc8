"""Whether one character model is better than another: the same held-out examples, and how sure the difference is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS

from storyteller_exporter.character.file_metadata import RECIPE, split_of
from storyteller_exporter.evaluate.character_model import CharacterPredictor, ModelFacts
from storyteller_exporter.evaluate.judged import Judged, find_examples, judge
from storyteller_exporter.evaluate.row_figures import Column, hits, row_losses, row_terms

#: Resamples of the cells, with replacement.
RESAMPLES = 2000
SEED = 0
#: What decides between two models.
DECIDES = "total"


class Outcome(StrEnum):
    """What a difference comes to, for the second model."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "no difference shown"


class FigureDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of two models on the same examples."""

    name: str
    #: Whether a lower value is the better one.
    lower_is_better: bool
    first: float
    second: float
    #: The second less the first.
    difference: float
    #: Of the difference, at 95 %, by a bootstrap over cells.
    low: float
    high: float
    outcome: Outcome


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on the same examples."""

    first: ModelFacts
    second: ModelFacts
    #: Where the examples come from.
    source: str
    examples: int
    cells: int
    #: What is to be known before the figures are believed.
    notices: list[str]
    #: `total`, weighted as in the reference recipe, and the heads; then the accuracies as the engine reads.
    figures: list[FigureDifference]
    #: By the total loss.
    outcome: Outcome

    @property
    def deciding(self) -> FigureDifference:
        """The figure that decides."""
        return next(figure for figure in self.figures if figure.name == DECIDES)


def unseen_rows(models: Sequence[CharacterPredictor], data: CharacterDataset) -> tuple[NDArray[np.intp], list[str]]:
    """The examples that none of the models was trained on, and what is to be said about them.

    A model says of itself by which data it was trained, and how that was divided. One that was trained on other data
    has seen none of these.

    Raises:
        StorytellerError: the models held out different examples and have none in common.
    """
    kept = np.ones(len(data), bool)
    notices = []
    for model in models:
        if model.facts.data_hash != data.content_hash:
            if not model.facts.data_hash:
                notices.append(f"{model.facts.file} does not say what it was trained on, and may know these")
            continue
        split = split_of(model.checkpoint.metadata.config if model.checkpoint else None, model.metadata)
        if split is None:
            notices.append(f"{model.facts.file} was trained on this data and does not say which part it held out")
            continue
        held = np.zeros(len(data), bool)
        held[split_by_cell(data.cells, data.cell_names, split.fraction, split.seed).validation] = True
        kept &= held
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise StorytellerError(
            "the models have no held-out example in common: they were trained with other seeds or fractions; name "
            "other data (--data)"
        )
    return rows, notices


def compare_models(
    first: CharacterPredictor,
    second: CharacterPredictor,
    data: CharacterDataset,
    advance: Callable[[int], object] = lambda rows: None,
) -> Comparison:
    """Judges both on the examples that neither was trained on.

    Args:
        advance: called with a number of rows that are done.

    Raises:
        StorytellerError: as `unseen_rows` and `CharacterPredictor.outputs`.
    """
    rows, notices = unseen_rows((first, second), data)
    one, other = (judge(model, data, rows, advance) for model in (first, second))
    figures = differences(one, other)
    return Comparison(
        first=first.facts,
        second=second.facts,
        source=", ".join(file.path for file in data.files),
        examples=len(rows),
        cells=len(set(one.cells.tolist())),
        notices=notices,
        figures=figures,
        outcome=next(figure.outcome for figure in figures if figure.name == DECIDES),
    )


def differences(first: Judged, second: Judged) -> list[FigureDifference]:
    """Every figure of both, which are about the same examples, with a paired bootstrap over cells.

    Cells, not examples, are drawn: the examples of a cell go together, and an interval that took them for independent
    would be too narrow.
    """
    _, groups = np.unique(first.cells, return_inverse=True)
    drawn = _draws(int(groups.max()) + 1)
    losses = [row_losses(row_terms(one.logits, one.labels), HEAD_WEIGHTS) for one in (first, second)]
    everywhere = np.ones(len(first), bool)
    found = [
        _difference(name, True, (before, losses[1][name]), everywhere, groups, drawn)
        for name, before in losses[0].items()
    ]
    read = [hits(one.raw, one.labels) for one in (first, second)]
    for name, (known, _) in read[0].items():
        if known.any():
            before, after = (each[name][1].astype(np.float64) for each in read)
            found.append(_difference(name, False, (before, after), known, groups, drawn))
    return found


def _draws(groups: int) -> NDArray[np.int64]:
    """[RESAMPLES, groups]: how often each group is drawn."""
    return np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1 / groups), RESAMPLES)


def _difference(
    name: str,
    lower_is_better: bool,
    values: tuple[Column, Column],
    counted: NDArray[np.bool_],
    groups: NDArray[np.intp],
    drawn: NDArray[np.int64],
) -> FigureDifference:
    first, second = values
    count = drawn.shape[1]
    change = np.where(counted, second - first, 0.0)
    sums = np.bincount(groups, weights=change, minlength=count)
    sizes = np.bincount(groups, weights=counted, minlength=count)
    totals = drawn @ sizes
    resampled = (drawn @ sums)[totals > 0] / totals[totals > 0]
    low, high = (float(value) for value in np.percentile(resampled, (2.5, 97.5)))
    if low <= 0 <= high:
        outcome = Outcome.UNDECIDED
    else:
        outcome = Outcome.BETTER if (high < 0) == lower_is_better else Outcome.WORSE
    before, after = float(first[counted].mean()), float(second[counted].mean())
    return FigureDifference(
        name=name,
        lower_is_better=lower_is_better,
        first=before,
        second=after,
        difference=after - before,
        low=low,
        high=high,
        outcome=outcome,
    )


def figure_kind(name: str) -> str:
    """`loss` or `accuracy`."""
    return "loss" if name == DECIDES or name in HEADS else "accuracy"


def data_of(models: Sequence[CharacterPredictor], place: Path | None) -> CharacterDataset:
    """The data at a place, else that of the first of the models whose run still has it.

    Raises:
        StorytellerError: there is none.
    """
    if place is not None:
        return find_examples(place, None).data
    reasons = ["no run was named"]
    for model in models:
        if model.checkpoint is not None:
            try:
                return find_examples(None, model.checkpoint).data
            except StorytellerError as error:
                reasons.append(str(error))
    raise StorytellerError(f"no data to compare on: {reasons[-1]}; name it with --data")


def recipe_of(model: CharacterPredictor) -> dict[str, Any]:
    """What a model says that it was trained with; nothing where it does not say it."""
    if model.checkpoint is not None:
        return dict(model.checkpoint.metadata.config)
    found: dict[str, Any] = json.loads(model.metadata.get(RECIPE, "{}"))
    return found
