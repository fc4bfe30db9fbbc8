"""What a character model looks at: by how much its loss rises when an input is shuffled among the examples.

Permutation importance (Breiman, 2001). A region or a field is shuffled as a whole, so that its values stay such as
occur, and only what they have to do with the labels is lost. What is worth nothing by itself, because another field
says the same, has an importance of nearly 0 here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.network import CharacterModel

from storyteller_exporter.evaluate.row_figures import Floats, row_losses, row_terms

#: Examples that are looked at, evenly spaced.
ROWS = 2000
SEED = 0


class Importance(NamedTuple):
    """By name, the rise of each loss: `total`, weighted, and the heads, unweighted."""

    regions: dict[str, dict[str, float]]
    #: Only of fields that are not the same in all examples; the highest rise of the total first.
    fields: dict[str, dict[str, float]]


def importance(model: CharacterModel, features: Floats, labels: Floats, weights: dict[str, float]) -> Importance:
    """The importance of every region and every field.

    Args:
        features: [n, inputs].
        labels: [n, outputs].
        weights: the share of each head in the total.
    """
    order = np.random.default_rng(SEED).permutation(len(features))

    def losses(inputs: Floats) -> dict[str, float]:
        with torch.inference_mode():
            outputs = model(torch.from_numpy(np.ascontiguousarray(inputs)))
        raw = np.concatenate([outputs[head].numpy() for head in HEADS], axis=1)
        return {name: float(values.mean()) for name, values in row_losses(row_terms(raw, labels), weights).items()}

    before = losses(features)

    def rise(columns: slice) -> dict[str, float]:
        shuffled = features.copy()
        shuffled[:, columns] = features[order, columns]
        return {name: value - before[name] for name, value in losses(shuffled).items()}

    varies: NDArray[np.bool_] = (features != features[:1]).any(axis=0)
    regions = {region.name: rise(region.span) for region in FEATURES.regions}
    fields = {name: rise(span) for name, span in field_spans().items() if varies[span].any()}
    return Importance(regions, dict(sorted(fields.items(), key=lambda entry: -entry[1]["total"])))


def field_spans() -> dict[str, slice]:
    """Every field of every slot (`tensor[3].variance`) to where it lies in the inputs; a one-hot counts as one."""
    spans = {}
    for region in FEATURES.regions:
        for slot, label in enumerate(region.slot_labels or ("",)):
            place = f"{region.name}[{label}]" if region.slot_labels else region.name
            for field in region.fields:
                spans[f"{place}.{field.name}"] = region.locate(field.name, slot)
    return spans
