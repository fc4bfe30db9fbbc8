"""Each loss against a computation by hand in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from storyteller_schema.contract.events import BIO_LABELS, IGNORE_INDEX
from storyteller_trainer.events.model.losses import MAX_LABEL_WEIGHT, event_loss, label_weights, ner_loss
from torch.nn import functional


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
    assert label_weights(labels, 0.5).tolist() == pytest.approx(weights.sqrt().tolist())
    assert label_weights(labels, 0.0).tolist() == [1.0] * len(weights)


def test_open_labels_add_their_probabilities() -> None:
    logits = torch.randn(2, 3, len(BIO_LABELS), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([[0, 1, -100], [2, 0, 3]])
    weights = torch.rand(len(BIO_LABELS), generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.1
    allowed = functional.one_hot(labels.clamp(min=0), len(BIO_LABELS)).bool()
    allowed[0, 0, 5:7] = True
    sentences = torch.tensor([2.0, 0.5], dtype=torch.float64)
    p = logits.softmax(-1)
    parts, shares = [], []
    for row, token, options in [(0, 0, [0, 5, 6]), (0, 1, [1]), (1, 0, [2]), (1, 1, [0]), (1, 2, [3])]:
        shares.append(weights[labels[row, token]] * sentences[row])
        parts.append(-shares[-1] * p[row, token, options].sum().log())
    expected = torch.stack(parts).sum() / torch.stack(shares).sum()
    torch.testing.assert_close(ner_loss(logits, labels, weights, allowed, sentences), expected)


def test_one_open_label_a_token_is_the_plain_loss() -> None:
    logits = torch.randn(2, 3, len(BIO_LABELS), generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[0, 1, -100], [2, 0, 3]])
    weights = torch.ones(len(BIO_LABELS))
    plain = ner_loss(logits, labels, weights)
    allowed = functional.one_hot(labels.clamp(min=0), len(BIO_LABELS)).bool()
    allowed[labels == -100] = True
    torch.testing.assert_close(ner_loss(logits, labels, weights, allowed), plain)
    torch.testing.assert_close(ner_loss(logits, labels, weights, None, torch.ones(2)), plain)


def test_a_category_that_nobody_looked_for_is_no_negative() -> None:
    """The gradient pushes it neither up nor down against O, as far as their sum goes."""
    logits = torch.zeros(1, 1, len(BIO_LABELS), requires_grad=True)
    allowed = torch.zeros(1, 1, len(BIO_LABELS), dtype=torch.bool)
    allowed[0, 0, [0, 3, 4]] = True
    torch.autograd.backward(ner_loss(logits, torch.tensor([[0]]), torch.ones(len(BIO_LABELS)), allowed))
    assert logits.grad is not None
    assert (logits.grad[0, 0, [0, 3, 4]] < 0).all()
    assert (logits.grad[0, 0, [1, 2, 5]] > 0).all()


def test_kinds_of_sentences_that_do_not_count() -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    kinds = torch.eye(8)[:3]
    counted = event_loss(logits, kinds, torch.tensor([1.0, 0.0, 3.0]))
    one, three = (event_loss(logits[row : row + 1], kinds[row : row + 1]) for row in (0, 2))
    torch.testing.assert_close(counted, (one + 3 * three) / 4)
    assert event_loss(logits, kinds, torch.zeros(3)).item() == 0.0
