"""The loss against a second writing of it, in NumPy and by hand, that knows the slices only as numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.losses import TERMS, head_losses, loss_terms
from torch import Tensor

Array = NDArray[np.float64]
ROWS = 5


def cross_entropy(raw: Array, one_hot: Array) -> float:
    shifted = raw - raw.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(one_hot * log_softmax).sum(axis=1).mean())


def binary(raw: Array, labels: Array) -> float:
    p = 1 / (1 + np.exp(-raw))
    return float(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean())


def squared(raw: Array, labels: Array) -> float:
    return float(((raw - labels) ** 2).mean())


def reference(x: Array, y: Array) -> dict[str, float]:
    return {
        "action.type": cross_entropy(x[:, 0:6], y[:, 0:6]),
        "action.confidence": squared(x[:, 6], y[:, 6]),
        "action.target_index": squared(x[:, 7], y[:, 7]),
        "action.emotional_valence": squared(x[:, 8], y[:, 8]),
        "action.context": cross_entropy(x[:, 9:14], y[:, 9:14]),
        "speech.occurs": binary(x[:, 14], y[:, 14]),
        "speech.register": cross_entropy(x[:, 15:19], y[:, 15:19]),
        "speech.confidence": squared(x[:, 19], y[:, 19]),
        "thought.awareness": cross_entropy(x[:, 20:25], y[:, 20:25]),
        "thought.dominant_emotion_index": squared(x[:, 25], y[:, 25]),
        "emotion.intensity_delta": squared(x[:, 26:34], y[:, 26:34]),
        "emotion.awareness_shift": binary(x[:, 34:42], y[:, 34:42]),
    }


def make_labels(rng: np.random.Generator) -> Array:
    y = rng.normal(size=(ROWS, 42))
    for start, stop in ((0, 6), (9, 14), (15, 19), (20, 25)):
        y[:, start:stop] = np.eye(stop - start)[rng.integers(0, stop - start, ROWS)]
    y[:, 14] = rng.integers(0, 2, ROWS)
    y[:, 34:42] = rng.integers(0, 2, (ROWS, 8))
    y[0, 14:19] = 0  # nobody speaks, and there is no register
    return y


@pytest.fixture
def vectors() -> tuple[Array, Array]:
    """Raw outputs and labels, [5, 42]."""
    rng = np.random.default_rng(3)
    return rng.normal(scale=2, size=(ROWS, 42)), make_labels(rng)


def heads(raw: Array) -> dict[str, Tensor]:
    return dict(zip(HEADS, torch.split(torch.from_numpy(raw), list(HEADS.values()), dim=1), strict=True))


def test_every_term_equals_the_reference(vectors: tuple[Array, Array]) -> None:
    x, y = vectors
    terms = loss_terms(heads(x), torch.from_numpy(y))
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(reference(x, y), rel=1e-12)


def test_a_head_is_the_sum_of_its_terms(vectors: tuple[Array, Array]) -> None:
    x, y = vectors
    expected = reference(x, y)
    summed = [sum(value for name, value in expected.items() if name.startswith(f"{head}.")) for head in HEADS]
    assert head_losses(loss_terms(heads(x), torch.from_numpy(y))).tolist() == pytest.approx(summed, rel=1e-12)


def test_the_terms_of_a_head() -> None:
    assert {head: [name.partition(".")[2] for name in names] for head, names in TERMS.items()} == {
        "action": ["type", "confidence", "target_index", "emotional_valence", "context"],
        "speech": ["occurs", "register", "confidence"],
        "thought": ["awareness", "dominant_emotion_index"],
        "emotion": ["intensity_delta", "awareness_shift"],
    }


def test_by_hand() -> None:
    """Zeros for everything: log of the number of classes, log 2, and the labels' squares."""
    y = np.zeros((1, 42))
    y[0, [0, 9, 15, 20]] = 1
    y[0, [6, 7, 25, 26]] = 0.5, -1, 4, 0.2
    terms = loss_terms(heads(np.zeros((1, 42))), torch.from_numpy(y))
    assert float(terms["action.type"]) == pytest.approx(math.log(6))
    assert float(terms["action.context"]) == pytest.approx(math.log(5))
    assert float(terms["speech.occurs"]) == pytest.approx(math.log(2))
    assert float(terms["action.confidence"]) == pytest.approx(0.25)
    assert float(terms["action.target_index"]) == pytest.approx(1)
    assert float(terms["thought.dominant_emotion_index"]) == pytest.approx(16)
    assert float(terms["emotion.intensity_delta"]) == pytest.approx(0.04 / 8)
    assert float(terms["emotion.awareness_shift"]) == pytest.approx(math.log(2))


def test_a_missing_register_costs_nothing(vectors: tuple[Array, Array]) -> None:
    x, y = vectors
    x, y = x[:1], y[:1]
    assert float(loss_terms(heads(x), torch.from_numpy(y))["speech.register"]) == 0


def test_the_batch_is_averaged(vectors: tuple[Array, Array]) -> None:
    x, y = vectors
    once = head_losses(loss_terms(heads(x), torch.from_numpy(y)))
    twice = head_losses(loss_terms(heads(np.tile(x, (2, 1))), torch.from_numpy(np.tile(y, (2, 1)))))
    assert torch.allclose(once, twice, rtol=1e-12)


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [
        ((4, 42), (5, 42)),
        ((5, 42), (1, 42)),
        ((5, 42), (5, 41)),
        ((5, 42), (42,)),
    ],
)
def test_wrong_shapes_are_refused(outputs: tuple[int, int], labels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected labels \[batch, 42\]"):
        loss_terms(heads(np.zeros(outputs)), torch.zeros(labels))


def test_a_missing_head_is_refused() -> None:
    outputs = heads(np.zeros((2, 42)))
    del outputs["speech"]
    with pytest.raises(ValueError, match="speech"):
        loss_terms(outputs, torch.zeros(2, 42))


def test_the_gradient_is_that_of_finite_differences(vectors: tuple[Array, Array]) -> None:
    x, y = vectors
    raw = torch.from_numpy(x).requires_grad_()
    outputs = dict(zip(HEADS, torch.split(raw, list(HEADS.values()), 1), strict=True))
    (gradient,) = torch.autograd.grad(head_losses(loss_terms(outputs, torch.from_numpy(y))).sum(), raw)
    for column in (0, 7, 14, 16, 24, 25, 30, 40):
        step = np.zeros_like(x)
        step[2, column] = 1e-6
        slope = (sum(reference(x + step, y).values()) - sum(reference(x - step, y).values())) / 2e-6
        assert float(gradient[2, column]) == pytest.approx(slope, abs=1e-7)


def test_a_head_gets_no_gradient_from_another(vectors: tuple[Array, Array]) -> None:
    x, y = vectors
    outputs = {name: raw.clone().requires_grad_() for name, raw in heads(x).items()}
    speech = head_losses(loss_terms(outputs, torch.from_numpy(y)))[1]
    gradients = torch.autograd.grad(speech, list(outputs.values()), allow_unused=True, materialize_grads=True)
    assert [bool(gradient.any()) for gradient in gradients] == [False, True, False, False]
