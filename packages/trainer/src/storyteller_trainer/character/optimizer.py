"""AdamW and the plateau schedule, on plain state that a checkpoint can hold.

The arithmetic of AdamW is torch's own functional kernel. The class `torch.optim.AdamW` around it is not used because
making one imports torch's compiler, which takes about as long as the whole rest of the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
#: A plateau ends when the loss falls below this share of its best.
_PLATEAU_SHARE = 1 - 1e-4


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), all parameters in one group."""

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> None:
        self._named = dict(parameters)
        self._weight_decay = weight_decay
        self._steps = [torch.zeros((), device=p.device) for p in self._named.values()]
        self._first = [torch.zeros_like(p) for p in self._named.values()]
        self._second = [torch.zeros_like(p) for p in self._named.values()]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update from the gradients that stand in the parameters."""
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
            lr=learning_rate,
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The state by name: `<parameter>.step`, `<parameter>.first_moment`, `<parameter>.second_moment`."""
        kinds = {"step": self._steps, "first_moment": self._first, "second_moment": self._second}
        return {f"{name}.{kind}": state[i] for i, name in enumerate(self._named) for kind, state in kinds.items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over the state that `tensors` gave.

        Raises:
            KeyError: a tensor is missing.
        """
        for name, state in self.tensors().items():
            state.copy_(tensors[name])


class Plateau(msgspec.Struct, kw_only=True):
    """Lowers the learning rate when the validation loss stops falling; torch's ReduceLROnPlateau at its defaults."""

    learning_rate: float
    factor: float
    patience: int
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
            self.learning_rate *= self.factor
            self.bad_epochs = 0
