"""Whether one character model is better than another: the same held-out examples, and how sure the difference is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS

from storyteller_exporter.character.file_metadata import RECIPE, split_of
from storyteller_exporter.evaluate.character_model import CharacterPredictor
from storyteller_exporter.evaluate.judged import Judged, find_examples, judge
from storyteller_exporter.evaluate.row_figures import hits, row_losses, row_terms
from storyteller_exporter.report.bootstrap import FigureDifference, draws, mean, paired, sums_by_group
from storyteller_exporter.report.comparison import Comparison

#: What decides between two models.
DECIDES = "total"


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
        unit="cells",
        units=len(set(one.cells.tolist())),
        notices=notices,
        figures=figures,
        outcome=figures[0].outcome,
    )


def differences(first: Judged, second: Judged) -> list[FigureDifference]:
    """Every figure of both, which are about the same examples; the weighted loss first, which decides.

    Cells, not examples, are drawn: the examples of a cell go together, and an interval that took them for independent
    would be too narrow.
    """
    _, groups = np.unique(first.cells, return_inverse=True)
    count = int(groups.max()) + 1
    drawn = draws(count)

    def column(values: NDArray[np.generic], known: NDArray[np.bool_]) -> NDArray[np.float64]:
        return sums_by_group(np.stack([np.where(known, values, 0.0), known], axis=1), groups, count)

    losses = [row_losses(row_terms(one.logits, one.labels), HEAD_WEIGHTS) for one in (first, second)]
    everywhere = np.ones(len(first), bool)
    found = [
        paired(name, "loss", (column(before, everywhere), column(losses[1][name], everywhere)), mean, drawn)
        for name, before in losses[0].items()
    ]
    found.sort(key=lambda figure: figure.name != DECIDES)
    read = [hits(one.raw, one.labels) for one in (first, second)]
    for name, (known, before) in read[0].items():
        if known.any():
            found.append(
                paired(name, "accuracy", (column(before, known), column(read[1][name][1], known)), mean, drawn)
            )
    return found


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
