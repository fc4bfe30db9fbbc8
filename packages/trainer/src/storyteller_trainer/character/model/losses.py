"""The loss: one term for each field of the prediction, summed within a head, weighted between heads.

    one-hot   cross-entropy             -sum_k y_k log softmax(x)_k
    binary    cross-entropy on a logit  -y log sigmoid(x) - (1 - y) log(1 - sigmoid(x))
    float     squared error             (x - y)^2

Each is the mean over the batch, and over the labels where a field has several floats (the eight deltas, the eight
shifts). Which field is of which kind, and where it lies, comes from the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from torch import Tensor
from torch.nn import functional as F

#: Head name to its terms' names (`action.type`), in wire order.
TERMS: dict[str, tuple[str, ...]] = {
    region.name: tuple(f"{region.name}.{field.name}" for field in region.fields) for region in PREDICTIONS.regions
}


def _cross_entropy(raw: Tensor, labels: Tensor) -> Tensor:
    # The labels are probabilities, so a row of zeros (a register where nobody speaks) adds nothing.
    return F.cross_entropy(raw, labels)


_LOSS: dict[Kind, Callable[[Tensor, Tensor], Tensor]] = {
    Kind.ONE_HOT: _cross_entropy,
    Kind.BINARY: F.binary_cross_entropy_with_logits,
    Kind.FLOAT: F.mse_loss,
}


def loss_terms(outputs: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Every term, by name, unweighted.

    Args:
        outputs: head name to raw outputs [batch, size of the head].
        labels: [batch, outputs].

    Returns:
        Term name (`action.type`) to a scalar.

    Raises:
        ValueError: a shape is wrong; nothing is broadcast.
    """
    expected = {name: (len(labels), size) for name, size in HEADS.items()}
    shapes = {name: tuple(raw.shape) for name, raw in outputs.items()}
    if labels.ndim != 2 or labels.shape[1] != PREDICTIONS.size or shapes != expected:
        raise ValueError(f"expected labels [batch, {PREDICTIONS.size}] and {expected}; got {labels.shape}, {shapes}")
    return {
        f"{region.name}.{field.name}": _LOSS[field.kind](
            outputs[region.name][:, region.within_slot(field.name)], labels[:, region.locate(field.name)]
        )
        for region in PREDICTIONS.regions
        for field in region.fields
    }


def head_losses(terms: Mapping[str, Tensor]) -> Tensor:
    """The sum of each head's terms, [4] in wire order, unweighted."""
    return torch.stack([torch.stack([terms[name] for name in names]).sum() for names in TERMS.values()])
