"""The optimizers and schedules against second writings of them, and taking over their state."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from storyteller_trainer.character.training.optimizer import (
    AdamW,
    CombinedOptimizer,
    Muon,
    Optimizer,
    Plateau,
    orthogonal,
)
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
    optimizer = AdamW(model.named_parameters(), 1e-2, weight_decay=0.1)
    expected = [p.detach().numpy().astype(np.float64) for p in model.parameters()]
    first, second = [np.zeros_like(p) for p in expected], [np.zeros_like(p) for p in expected]
    for step in range(1, 21):
        scale = 1.0 if step < 10 else 0.1
        push(model, step)
        for i, parameter in enumerate(model.parameters()):
            assert parameter.grad is not None
            gradient = parameter.grad.numpy().astype(np.float64)
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            unbiased = first[i] / (1 - 0.9**step), second[i] / (1 - 0.999**step)
            expected[i] -= 1e-2 * scale * (unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8) + 0.1 * expected[i])
        optimizer.step(scale)
    for parameter, values in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), values, rtol=1e-5, atol=1e-7)


def test_muon_moves_along_the_orthogonal_matrix_nearest_to_its_momentum() -> None:
    """Jordan et al. (2024), written a second time with a singular value decomposition in place of the iterations."""
    model = nn.Linear(40, 24, bias=False)
    before = model.weight.detach().clone()
    optimizer = Muon(model.named_parameters(), 0.1, weight_decay=0.5)
    momentum = torch.zeros_like(before)
    for step in range(3):
        gradient = torch.randn(before.shape, generator=torch.Generator().manual_seed(step))
        model.weight.grad = gradient.clone()
        optimizer.step(0.5)
        momentum = 0.95 * momentum + 0.05 * gradient
        left, _, right = torch.linalg.svd(0.05 * gradient + 0.95 * momentum, full_matrices=False)
        moved = (before * (1 - 0.05 * 0.5) - model.weight.detach()) / 0.05
        # The iterations leave singular values between 0.7 and 1.2 where the decomposition gives 1.
        assert torch.nn.functional.cosine_similarity(moved.flatten(), (left @ right).flatten(), dim=0) > 0.98
        assert 0.6 < float(torch.linalg.matrix_norm(moved, 2)) < 1.3
        before = model.weight.detach().clone()


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (16, 16)])
def test_orthogonal_keeps_the_shape_and_evens_the_singular_values(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * 1e-4
    found = orthogonal(matrices)
    assert found.shape == (3, *shape)
    assert found.dtype == torch.float32
    for matrix, alone in zip(matrices, found, strict=True):
        assert torch.allclose(orthogonal(matrix[None])[0], alone, atol=1e-2)
    values = torch.linalg.svdvals(found)
    assert float(values.min()) > 0.4
    assert float(values.max()) < 1.3


def test_columns_without_gradient_do_not_change_what_the_others_receive() -> None:
    """Inputs that are never filled: their weights only decay, and the rest move as they would without them."""
    gradient = torch.randn(24, 40, generator=torch.Generator().manual_seed(0))
    gradient[:, ::3] = 0
    filled = gradient.any(dim=0)
    whole, part = nn.Linear(40, 24, bias=False), nn.Linear(int(filled.sum()), 24, bias=False)
    before = whole.weight.detach().clone()
    part.weight = nn.Parameter(before[:, filled].clone())
    for model, of_model in ((whole, gradient), (part, gradient[:, filled])):
        model.weight.grad = of_model.clone()
        Muon(model.named_parameters(), 0.1, weight_decay=0.5).step(1.0)
    assert torch.allclose(whole.weight[:, filled], part.weight, atol=1e-6)
    assert torch.allclose(whole.weight[:, ~filled], before[:, ~filled] * (1 - 0.1 * 0.5))


def test_matrices_alike_move_as_they_would_alone() -> None:
    """Gradients of very different size, one of them with columns that are 0."""
    generator = torch.Generator().manual_seed(0)
    gradients = [scale * torch.randn(24, 40, generator=generator) for scale in (1.0, 1e-4, 1e3)]
    gradients[1][:, ::3] = 0
    together = [nn.Linear(40, 24, bias=False) for _ in gradients]
    alone = copy.deepcopy(together)
    for models in (together, alone):
        for model, gradient in zip(models, gradients, strict=True):
            model.weight.grad = gradient.clone()
    Muon(nn.ModuleList(together).named_parameters(), 0.1, weight_decay=0.5).step(1.0)
    for model in alone:
        Muon(model.named_parameters(), 0.1, weight_decay=0.5).step(1.0)
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one.weight, other.weight, atol=1e-3)


def test_without_any_gradient_only_the_decay_is_left() -> None:
    model = nn.Linear(5, 4, bias=False)
    before = model.weight.detach().clone()
    model.weight.grad = torch.zeros(4, 5)
    Muon(model.named_parameters(), 0.1, weight_decay=0.5).step(1.0)
    assert torch.allclose(model.weight, before * (1 - 0.1 * 0.5))


def test_a_tall_matrix_moves_further() -> None:
    """By the square root of rows to columns, so that what each output receives is the same."""
    moved = {}
    for shape in ((40, 10), (10, 10)):
        model = nn.Linear(shape[1], shape[0], bias=False)
        before = model.weight.detach().clone()
        model.weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        Muon(model.named_parameters(), 1.0, 0.0).step(1.0)
        moved[shape] = float(torch.linalg.matrix_norm(before - model.weight.detach(), 2))
    assert moved[40, 10] / moved[10, 10] == pytest.approx(2, rel=0.25)


def _of_each(model: nn.Linear) -> tuple[Muon, AdamW]:
    named = dict(model.named_parameters())
    return Muon([("weight", named["weight"])], 1e-2, 0.1), AdamW([("bias", named["bias"])], 1e-2, 0.1)


MAKERS: dict[str, Callable[[nn.Linear], Optimizer]] = {
    "adamw": lambda model: AdamW(model.named_parameters(), 1e-2, 0.1),
    "both": lambda model: CombinedOptimizer(*_of_each(model)),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_the_state_can_be_taken_over(kind: str) -> None:
    whole, parts = network(), network()
    one, first, second = MAKERS[kind](whole), MAKERS[kind](parts), MAKERS[kind](parts)
    for step in range(6):
        push(whole, step)
        one.step(1.0)
    for step in range(3):
        push(parts, step)
        first.step(1.0)
    for name, tensor in second.tensors().items():
        tensor.copy_(first.tensors()[name])
    for step in range(3, 6):
        push(parts, step)
        second.step(1.0)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))


def test_the_names_of_the_state() -> None:
    kinds = ("step", "first_moment", "second_moment")
    assert set(MAKERS["adamw"](network()).tensors()) == {f"{p}.{k}" for p in ("weight", "bias") for k in kinds}
    assert set(MAKERS["both"](network()).tensors()) == {"weight.momentum", *(f"bias.{k}" for k in kinds)}


def test_the_rate_is_halved_after_more_than_patience_epochs_without_improvement() -> None:
    schedule = Plateau(factor=0.5, patience=2)
    rates = []
    for loss in (3, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 0.5, 0.6):
        schedule.update(loss)
        rates.append(schedule.scale)
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]


def test_an_improvement_of_less_than_one_in_ten_thousand_is_none() -> None:
    schedule = Plateau(factor=0.5, patience=0)
    for loss, rate in ((2.0, 1.0), (1.9999, 0.5), (1.9997, 0.5)):
        schedule.update(loss)
        assert schedule.scale == rate
