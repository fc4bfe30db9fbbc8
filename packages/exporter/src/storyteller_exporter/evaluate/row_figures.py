"""Losses and hits of every single example, from which means, slices and paired comparisons are made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.batch import decode_outputs_batch
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from storyteller_schema.contract.rules import BINARY_CUT

Floats = NDArray[np.float32]
Column = NDArray[np.float64]
Bools = NDArray[np.bool_]

DOMINANT = "thought.dominant_emotion_index"
#: The fields of a prediction that are right or wrong as a whole, in wire order.
JUDGED = (
    "action.type",
    "action.context",
    "speech.occurs",
    "speech.register",
    "thought.awareness",
    DOMINANT,
)


def row_terms(logits: Floats, labels: Floats) -> dict[str, Column]:
    """Every loss term of every example, [n]; their means are what `loss_terms` of the trainer gives.

    Args:
        logits: [n, outputs] raw outputs, without the shift of aligned thresholds.
        labels: [n, outputs].
    """
    terms: dict[str, Column] = {}
    for region in PREDICTIONS.regions:
        for field in region.fields:
            span = region.locate(field.name)
            x, y = logits[:, span].astype(np.float64), labels[:, span].astype(np.float64)
            if field.kind is Kind.ONE_HOT:
                loss = -(y * log_softmax(x)).sum(axis=1)
            elif field.kind is Kind.BINARY:
                loss = (np.logaddexp(0, x) - x * y).mean(axis=1)
            else:
                loss = ((x - y) ** 2).mean(axis=1)
            terms[f"{region.name}.{field.name}"] = loss
    return terms


def row_losses(terms: Mapping[str, Column], weights: Mapping[str, float]) -> dict[str, Column]:
    """`total`, weighted, and the four heads, unweighted: [n] each."""
    heads = {head: sum_of(terms, head) for head in HEADS}
    total = np.sum([weights[head] * loss for head, loss in heads.items()], axis=0)
    return {"total": total, **heads}


def sum_of(terms: Mapping[str, Column], head: str) -> Column:
    """The sum of a head's terms, [n]."""
    found: Column = np.sum([loss for name, loss in terms.items() if name.startswith(f"{head}.")], axis=0)
    return found


def hits(raw: Floats, labels: Floats) -> dict[str, tuple[Bools, Bools]]:
    """For each judged field: whether the example has a label there [n], and whether it is read right [n].

    Read as the engine reads it. A register where nobody speaks has no label in the engine's data.

    Args:
        raw: [n, outputs] outputs as the file gives them.
    """
    decoded = decode_outputs_batch(raw)
    found: dict[str, tuple[Bools, Bools]] = {}
    for name in JUDGED:
        wanted = labels[:, PREDICTIONS.span(name)]
        if wanted.shape[1] > 1:
            known = np.asarray(wanted.any(axis=1))
            found[name] = known, known & (wanted.argmax(axis=1) == decoded[name])
        else:
            value = wanted[:, 0]
            right = np.asarray(decoded[name] == (value if name == DOMINANT else value > BINARY_CUT), bool)
            found[name] = np.ones(len(labels), bool), right
    return found


def log_softmax(x: Column) -> Column:
    """Along the last axis."""
    shifted = x - x.max(axis=-1, keepdims=True)
    result: Column = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def sigmoid(x: Column) -> Column:
    """The probability of a logit."""
    result: Column = np.exp(-np.logaddexp(0, -x))
    return result
