"""Training steps that are recorded on the device once and launched as a whole from then on.

A step of this network is some hundred operations, each of which takes a GPU less time than the host needs to launch it.
A CUDA graph is launched in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from storyteller_trainer.character.data.batches import Batch

#: Steps of a batch size that are made as they come before one is recorded; libraries set themselves up in them.
_UNRECORDED = 3

#: Does something and gives its result, again at every call.
Action = Callable[[], Tensor]


class StepNumbers(NamedTuple):
    """What differs from one step to the next beside the batch: numbers, or scalars on the device."""

    #: Which one of its epoch this is, from 1.
    step: float | Tensor
    #: What the learning rates are multiplied by.
    scale: float | Tensor
    #: The share of the newest weights in their running average.
    newest: float | Tensor


Update = Callable[[Batch, StepNumbers], Tensor]


class RecordedSteps:
    """Makes steps, each batch size by a recording of its own; the results are those of the steps themselves."""

    def __init__(self, update: Update, record: Callable[[Action], Action]) -> None:
        """Args:
        update: one step, which asks the device for nothing; returns a tensor.
        record: what makes a recording.
        """
        self._update = update
        self._record = record
        self._seen: Counter[int] = Counter()
        self._recordings: dict[int, _Recording] = {}

    def __call__(self, batch: Batch, numbers: Tensor) -> Tensor:
        """One step.

        Args:
            numbers: `StepNumbers` as a tensor [3] on the device.

        Returns:
            What the step returns; the next step of this batch size changes it.
        """
        size = len(batch.features)
        if size not in self._recordings:
            if self._seen[size] < _UNRECORDED:
                self._seen[size] += 1
                return self._update(batch, StepNumbers(*numbers.unbind()))
            self._recordings[size] = _Recording(self._update, self._record, batch, numbers)
        return self._recordings[size](batch, numbers)


class _Recording:
    """A recording always works on the same memory, so every batch is copied to where the first one was."""

    def __init__(self, update: Update, record: Callable[[Action], Action], batch: Batch, numbers: Tensor) -> None:
        self._batch = Batch(batch.features.clone(), batch.labels.clone())
        self._numbers = numbers.clone()
        self._replay = record(lambda: update(self._batch, StepNumbers(*self._numbers.unbind())))

    def __call__(self, batch: Batch, numbers: Tensor) -> Tensor:
        for place, tensor in zip((*self._batch, self._numbers), (*batch, numbers), strict=True):
            place.copy_(tensor)
        return self._replay()


def record_cuda_graph(action: Action) -> Action:
    """Records what an action does on the current CUDA device, without doing it.

    Random numbers are drawn anew by every call, by the device's own generator, as if nothing had been recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = action()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay
