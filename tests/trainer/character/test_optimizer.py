"""AdamW and the plateau schedule against second writings of them, and taking over their state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from storyteller_trainer.character.optimizer import AdamW, Plateau
from torch import nn


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(7, 3)


def push(model: nn.Linear, step: int) -> None:
    """Gives the parameters the gradients of step number `step`."""
    generator = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def test_adamw_is_the_published_algorithm() -> None:
    """Algorithm 2 of Loshchilov and Hutter (2019), written a second time in NumPy with float64."""
    model = network()
    optimizer = AdamW(model.named_parameters(), weight_decay=0.1)
    expected = [p.detach().numpy().astype(np.float64) for p in model.parameters()]
    first, second = [np.zeros_like(p) for p in expected], [np.zeros_like(p) for p in expected]
    for step in range(1, 21):
        rate = 1e-2 if step < 10 else 1e-3
        push(model, step)
        for i, parameter in enumerate(model.parameters()):
            assert parameter.grad is not None
            gradient = parameter.grad.numpy().astype(np.float64)
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            unbiased = first[i] / (1 - 0.9**step), second[i] / (1 - 0.999**step)
            expected[i] -= rate * (unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8) + 0.1 * expected[i])
        optimizer.step(rate)
    for parameter, values in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), values, rtol=1e-5, atol=1e-7)


def test_the_state_of_adamw_can_be_taken_over() -> None:
    whole, parts = network(), network()
    one = AdamW(whole.named_parameters(), 0.1)
    first = AdamW(parts.named_parameters(), 0.1)
    for step in range(6):
        push(whole, step)
        one.step(1e-2)
    for step in range(3):
        push(parts, step)
        first.step(1e-2)
    second = AdamW(parts.named_parameters(), 0.1)
    second.load({name: tensor.clone() for name, tensor in first.tensors().items()})
    for step in range(3, 6):
        push(parts, step)
        second.step(1e-2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))
    assert set(one.tensors()) == {
        f"{p}.{k}" for p in ("weight", "bias") for k in ("step", "first_moment", "second_moment")
    }


def test_a_missing_tensor_of_the_state_is_an_error() -> None:
    optimizer = AdamW(network().named_parameters(), 0.1)
    with pytest.raises(KeyError):
        optimizer.load({})


def test_the_rate_is_halved_after_more_than_patience_epochs_without_improvement() -> None:
    schedule = Plateau(learning_rate=1.0, factor=0.5, patience=2)
    rates = []
    for loss in (3, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 0.5, 0.6):
        schedule.update(loss)
        rates.append(schedule.learning_rate)
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]


def test_an_improvement_of_less_than_one_in_ten_thousand_is_none() -> None:
    schedule = Plateau(learning_rate=1.0, factor=0.5, patience=0)
    for loss, rate in ((2.0, 1.0), (1.9999, 0.5), (1.9997, 0.5)):
        schedule.update(loss)
        assert schedule.learning_rate == rate
