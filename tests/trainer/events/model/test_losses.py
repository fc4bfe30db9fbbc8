"""Each loss against a computation by hand in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX
from storyteller_trainer.events.model.losses import MAX_LABEL_WEIGHT, event_loss, label_weights, ner_loss


def test_event_loss_is_the_mean_binary_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 8)).astype(np.float32)
    kinds = rng.integers(0, 2, (5, 8)).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = -(kinds * np.log(p) + (1 - kinds) * np.log(1 - p)).mean()
    assert event_loss(torch.from_numpy(logits), torch.from_numpy(kinds)).item() == pytest.approx(expected, rel=1e-6)


def test_ner_loss_is_the_weighted_mean_over_labelled_tokens() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(3, 7, len(BIO_LABELS))).astype(np.float32)
    labels = rng.integers(0, len(BIO_LABELS), (3, 7))
    labels[0, 0] = labels[1, 5:] = IGNORE_INDEX
    weights = rng.uniform(0.1, 10, len(BIO_LABELS)).astype(np.float32)
    exponentials = np.exp(logits.astype(np.float64))
    log_p = np.log(exponentials / exponentials.sum(-1, keepdims=True))
    total = norm = 0.0
    for row, token in np.argwhere(labels != IGNORE_INDEX):
        label = labels[row, token]
        total -= weights[label] * log_p[row, token, label]
        norm += weights[label]
    found = ner_loss(torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(weights))
    assert found.item() == pytest.approx(total / norm, rel=1e-6)


def test_ner_loss_of_no_labelled_token_is_zero_and_has_a_gradient() -> None:
    logits = torch.randn(2, 3, len(BIO_LABELS), requires_grad=True)
    loss = ner_loss(logits, torch.full((2, 3), IGNORE_INDEX), torch.ones(len(BIO_LABELS)))
    assert loss.item() == 0
    torch.autograd.backward(loss)
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


def test_label_weights_are_inverse_frequencies_up_to_the_cap() -> None:
    labels = [np.array([IGNORE_INDEX, 0, 0, 0, 0, 1, 2, 0, 0, IGNORE_INDEX]), np.array([0] * 91 + [3])]
    weights = label_weights(labels)
    # 100 labelled tokens, 15 labels: 97 times O, once each of labels 1, 2 and 3.
    assert weights[0].item() == pytest.approx(100 / (15 * 97))
    assert weights[1:4].tolist() == pytest.approx([100 / 15] * 3)
    assert weights[4:].tolist() == [MAX_LABEL_WEIGHT] * 11
    assert label_weights([np.array([0] * 999 + [1])])[1].item() == MAX_LABEL_WEIGHT
