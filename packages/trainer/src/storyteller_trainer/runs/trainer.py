"""What a run asks of whatever is trained; character and event training each have a trainer of this form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor, nn


class TrainState(Protocol):
    """Where a run stands, apart from tensors."""

    @property
    def epoch(self) -> int:
        """Epochs done."""

    @property
    def best_epoch(self) -> int:
        """The best of them, counted from 1; 0 before the first has ended."""


class Epoch(Protocol):
    """What one epoch gave."""

    @property
    def number(self) -> int:
        """Counted from 1."""


S = TypeVar("S", bound=TrainState)
#: An epoch only comes out of a trainer.
E_co = TypeVar("E_co", bound=Epoch, covariant=True)


class Trainer(Protocol[S, E_co]):
    """Trains one model, in memory: writes no file and prints nothing."""

    train_state: S

    @property
    def model(self) -> nn.Module:
        """What is judged, and saved as the best."""

    def should_stop(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""

    def run_epoch(self, after_step: Callable[[int, int], None]) -> E_co:
        """Trains and validates one epoch, and moves `train_state` on.

        Args:
            after_step: called with the number of steps done and to do; an exception that it raises ends the epoch.
        """

    def state(self) -> dict[str, Tensor]:
        """All tensors that it takes to go on, by name; with `train_state` they are complete."""

    def load_state(self, tensors: Mapping[str, Tensor], train_state: S) -> None:
        """Goes on from where another trainer of the same settings stood.

        Raises:
            KeyError, RuntimeError: a tensor is missing or does not fit.
        """
