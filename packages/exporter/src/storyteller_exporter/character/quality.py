"""What rounding the weights costs: loss and accuracy of an int8 file beside those of the model it was made from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_schema.contract.rules import BINARY_CUT
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.model.metrics import MetricsCounter

from storyteller_exporter.checks.verification_report import Change

Floats = NDArray[np.float32]

#: The weighted loss may rise by this much. The reference recipe's seeds differ by several times as much.
LOSS_LIMIT = 0.01
#: An accuracy may fall by this much: one prediction in a hundred.
ACCURACY_LIMIT = 0.01
#: 0.195 - 0.185, two of 200 answers, is more than 0.01 by 9e-18.
_ROUNDING = 1e-12
#: At most this many held-out rows are judged; the file runs them one by one, as the engine does.
ROWS = 10_000


def quality(outputs: Floats, labels: Floats, *, aligned: bool) -> dict[str, float]:
    """Loss, lower is better, and accuracies as the engine reads the outputs, higher is better.

    Args:
        outputs: [rows, outputs] raw outputs.
        labels: [rows, outputs].
        aligned: the binary outputs were raised by BINARY_CUT; the loss is taken without that.
    """
    logits = torch.from_numpy(outputs - (alignment() if aligned else np.float32(0.0)))
    heads = {region.name: logits[:, region.span] for region in PREDICTIONS.regions}
    weights = torch.tensor(list(HEAD_WEIGHTS.values()))
    counter = MetricsCounter()
    counter.add(outputs, labels)
    metrics = counter.result()
    result = {"loss": float(weights @ head_losses(loss_terms(heads, torch.from_numpy(labels))))}
    result |= {name: field.accuracy for name, field in metrics.categorical.items()}
    result |= {name: field.as_engine.accuracy for name, field in metrics.binary.items()}
    result |= {name: field.accuracy for name, field in metrics.continuous.items() if field.accuracy is not None}
    return result


def alignment() -> Floats:
    """What aligned thresholds add to the outputs, [outputs] float32: BINARY_CUT where a field is binary, else 0."""
    shift = np.zeros(PREDICTIONS.size, dtype=np.float32)
    for region in PREDICTIONS.regions:
        for field in region.fields:
            if field.kind is Kind.BINARY:
                shift[region.locate(field.name)] = BINARY_CUT
    return shift


def changes(reference: Floats, found: Floats, labels: Floats, *, aligned: bool) -> list[Change]:
    """How much worse each figure became, with what is allowed; all arguments as in `quality`."""
    before = quality(reference, labels, aligned=aligned)
    after = quality(found, labels, aligned=aligned)
    result = []
    for name, value in before.items():
        worse, limit = (after[name] - value, LOSS_LIMIT) if name == "loss" else (value - after[name], ACCURACY_LIMIT)
        label = name if name == "loss" else f"{name} accuracy"
        result.append(Change(label, value, after[name], limit, bool(worse <= limit + _ROUNDING)))  # false for NaN
    return result
