"""Optimizers and schedules on plain state that a checkpoint can hold.

The arithmetic of AdamW is torch's own functional kernel. The class `torch.optim.AdamW` around it is not used because
making one imports torch's compiler, which takes about as long as the whole rest of the start; `torch.optim.Muon`
likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from storyteller_trainer.runs.device import has_bfloat16

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
#: A plateau ends when the loss falls below this share of its best.
_PLATEAU_SHARE = 1 - 1e-4

#: Momentum of Muon. Its authors take 0.95; with 0.9 the end is as good, and comes sooner (docs/recipe.md).
_MOMENTUM = 0.9
#: The coefficients and number of its iterations (Jordan et al., 2024).
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Optimizer(Protocol):
    """Changes parameters by the gradients that stand in them."""

    def step(self, scale: float | Tensor) -> None:
        """One update, at `scale` times the learning rate: a number, or a scalar on the device of the parameters."""

    def tensors(self) -> dict[str, Tensor]:
        """The state by name."""


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), all parameters in one group."""

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float
    ) -> None:
        self._named = dict(parameters)
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._steps = [torch.zeros((), device=p.device) for p in self._named.values()]
        self._first = [torch.zeros_like(p) for p in self._named.values()]
        self._second = [torch.zeros_like(p) for p in self._named.values()]

    @torch.no_grad()
    def step(self, scale: float | Tensor) -> None:
        """One update, at `scale` times the learning rate."""
        parameters: list[Tensor] = list(self._named.values())
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            self._first,
            self._second,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=_BETA1,
            beta2=_BETA2,
            lr=self._learning_rate * scale,
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The state by name: `<parameter>.step`, `<parameter>.first_moment`, `<parameter>.second_moment`."""
        kinds = {"step": self._steps, "first_moment": self._first, "second_moment": self._second}
        return {f"{name}.{kind}": state[i] for i, name in enumerate(self._named) for kind, state in kinds.items()}


class Muon:
    """Momentum whose update of a matrix is made orthogonal: every direction moves alike (Jordan et al., 2024).

    For the matrices in front of hidden layers; the last layers and the biases are left to AdamW.
    """

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], learning_rate: float, weight_decay: float
    ) -> None:
        self._named = dict(parameters)
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._momentum = {name: torch.zeros_like(p) for name, p in self._named.items()}
        #: Names by shape: small matrices alike, such as those of the heads, take less time together.
        self._alike: dict[torch.Size, list[str]] = {}
        for name, matrix in self._named.items():
            self._alike.setdefault(matrix.shape, []).append(name)

    @torch.no_grad()
    def step(self, scale: float | Tensor) -> None:
        """One update, at `scale` times the learning rate."""
        rate = self._learning_rate * scale
        for (rows, columns), names in self._alike.items():
            updates = orthogonal(torch.stack([self._look_ahead(name) for name in names]))
            updates *= rate * max(1, rows / max(1, columns)) ** 0.5
            for name, update in zip(names, updates, strict=True):
                self._named[name].mul_(1 - rate * self._weight_decay).sub_(update)

    def _look_ahead(self, name: str) -> Tensor:
        """Where momentum and gradient of a matrix lead (Nesterov)."""
        gradient = self._named[name].grad
        if gradient is None:
            raise ValueError(f"{name} has no gradient")
        return gradient.lerp(self._momentum[name].lerp_(gradient, 1 - _MOMENTUM), _MOMENTUM)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name: `<parameter>.momentum`."""
        return {f"{name}.momentum": state for name, state in self._momentum.items()}


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly the orthogonal matrices closest to some [n, rows, columns]: singular values end between 0.7 and 1.2.

    Newton-Schulz iterations with Jordan's coefficients, which trade exactness for speed.
    """
    if len(matrices) == 1:  # products of plain matrices take less time than those of a stack of one
        return _newton_schulz(matrices[0], torch.addmm)[None]
    return _newton_schulz(matrices, torch.baddbmm)


def _newton_schulz(matrices: Tensor, add_product: Callable[..., Tensor]) -> Tensor:
    """
    Args:
        matrices: [..., rows, columns]; add_product: `beta` times its first argument and `alpha` times the product of
            the others.
    """
    linear, cubic, quintic = _NEWTON_SCHULZ
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = (matrices if wide else matrices.mT).to(_iteration_type(matrices.device))
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = add_product(x, add_product(square, square, square, beta=cubic, alpha=quintic), x, beta=linear)
    return (x if wide else x.mT).to(matrices.dtype)


def _iteration_type(device: torch.device) -> torch.dtype:
    """bfloat16 is enough, and three times as fast as float32 where there are instructions for it."""
    return torch.bfloat16 if device.type != "cpu" or has_bfloat16(device) else torch.float32


class CombinedOptimizer:
    """Two optimizers as one, each for its own parameters."""

    def __init__(self, first: Optimizer, second: Optimizer) -> None:
        self._parts = (first, second)

    def step(self, scale: float | Tensor) -> None:
        """One update of each, at `scale` times its own learning rate."""
        for part in self._parts:
            part.step(scale)

    def tensors(self) -> dict[str, Tensor]:
        """The state of both, by name."""
        return {name: tensor for part in self._parts for name, tensor in part.tensors().items()}


class Plateau(msgspec.Struct, kw_only=True):
    """Lowers the learning rate when the validation loss stops falling; torch's ReduceLROnPlateau at its defaults."""

    factor: float
    patience: int
    #: What the learning rate is multiplied by so far.
    scale: float = 1.0
    #: The lowest loss so far that counted; None before the first.
    best: float | None = None
    #: Epochs since.
    bad_epochs: int = 0

    def update(self, loss: float) -> None:
        """To be called with each epoch's validation loss."""
        if self.best is None or loss < self.best * _PLATEAU_SHARE:
            self.best, self.bad_epochs = loss, 0
            return
        self.bad_epochs += 1
        if self.bad_epochs > self.patience:
            self.scale *= self.factor
            self.bad_epochs = 0
