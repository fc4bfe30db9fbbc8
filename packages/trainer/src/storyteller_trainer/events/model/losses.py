"""What training minimises. Shapes: B sentences, S tokens, K = 8 event kinds, L = 15 BIO labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX
from torch import Tensor
from torch.nn import functional

from storyteller_trainer.events.data.encoding import Batch

#: No label weighs more than this, however rare it is.
MAX_LABEL_WEIGHT = 10.0


def label_weights(labels: Iterable[NDArray[np.int64]], power: float = 1.0) -> Tensor:
    """Inverse class frequency of each BIO label: `min(N / (L * count), 10)`, N being the number of labelled tokens.

    Args:
        power: what the frequencies are raised to; 0 gives every label the weight 1.

    A label that never occurs gets the largest weight, which then meets no token.

    Returns:
        [L] float32.
    """
    counts = np.zeros(len(BIO_LABELS), np.int64)
    for row in labels:
        counts += np.bincount(row[row != IGNORE_INDEX], minlength=len(BIO_LABELS))
    weights = counts.sum() / (len(BIO_LABELS) * np.maximum(counts, 1))
    capped = np.minimum(np.where(counts > 0, weights, np.inf), MAX_LABEL_WEIGHT)
    return torch.tensor(capped**power, dtype=torch.float32)


def event_loss(logits: Tensor, kinds: Tensor, sentences: Tensor | None = None) -> Tensor:
    """Binary cross-entropy with logits, the mean over sentences and kinds.

    Args:
        logits: [B, K].
        kinds: [B, K] float, 1 where the kind holds.
        sentences: [B] float, what each sentence counts in the mean; None for 1.

    Returns:
        A scalar; 0 when no sentence counts.
    """
    if sentences is None:
        return functional.binary_cross_entropy_with_logits(logits, kinds)
    each = functional.binary_cross_entropy_with_logits(logits, kinds, reduction="none").mean(dim=1)
    return (each * sentences).sum() / sentences.sum().clamp(min=torch.finfo(each.dtype).tiny)


def ner_loss(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor,
    allowed: Tensor | None = None,
    sentences: Tensor | None = None,
) -> Tensor:
    """Cross-entropy weighted by label, the weighted mean over labelled tokens: `sum(w[y] * -log p[y]) / sum(w[y])`.

    Where the annotation leaves several labels open, p[y] is the sum of the probabilities of all of them: the marginal
    likelihood of what is known. With one label a token that is the plain cross-entropy.

    Args:
        logits: [B, S, L].
        labels: [B, S] int64; IGNORE_INDEX is left out. The label by which a token is weighed.
        weights: [L].
        allowed: [B, S, L] bool, at least one for each token; None where each token has but its label.
        sentences: [B] float, by which the weights of a sentence's tokens are multiplied; None for 1.

    Returns:
        A scalar; 0 when no token is labelled.
    """
    there = labels != IGNORE_INDEX
    if not bool(there.any()):
        return logits.sum() * 0.0
    if allowed is None and sentences is None:
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), weights, ignore_index=IGNORE_INDEX)
    log_p = functional.log_softmax(logits, dim=-1)
    own = labels.clamp(min=0)
    if allowed is None:
        likelihood = log_p.gather(-1, own.unsqueeze(-1)).squeeze(-1)
    else:
        likelihood = log_p.masked_fill(~allowed, -torch.inf).logsumexp(dim=-1)
    share = weights[own] * there
    if sentences is not None:
        share = share * sentences.unsqueeze(-1)
    return -(share * likelihood).sum() / share.sum()


def task_losses(logits: Mapping[str, Tensor], batch: Batch, weights: Tensor) -> dict[str, Tensor]:
    """The loss of each task that the model has logits for: `event` and/or `ner`, each a scalar.

    Args:
        logits: as `models.named_logits` gives them.
        weights: [L], of the labels.
    """
    losses = {}
    if "event" in logits:
        losses["event"] = event_loss(logits["event"], batch.kinds, batch.kind_weights)
    if "ner" in logits:
        losses["ner"] = ner_loss(logits["ner"], batch.labels, weights, batch.allowed, batch.weights)
    return losses
