"""Inputs of mean 0 and deviation 1 while training; folded into the first layer for the engine, which gives raw ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

#: The parameters of the layer that reads the inputs.
FIRST_WEIGHT, FIRST_BIAS = "trunk.0.weight", "trunk.0.bias"


class Standardizer(NamedTuple):
    """Reads `(features - shift) * scale`. An input that never varied has the scale 0: the network ignores it."""

    #: [inputs] float32 each.
    shift: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Standardizer:
        """From the training side [examples, inputs]."""
        deviation, mean = torch.std_mean(features, dim=0, correction=0)
        # Rounding leaves a trace of deviation in a column of equal numbers.
        varies = features.amax(dim=0) > features.amin(dim=0)
        return cls(mean, torch.where(varies, 1 / deviation, 0))

    @classmethod
    def of_parts(cls, parts: Iterable[Tensor]) -> Standardizer:
        """The same from a side that is read in parts [n, inputs], summed up in float64 on the CPU."""
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        origin = low = high = None
        for part in parts:
            values = part.double().cpu()
            # Sums of squares of differences from any example lose less to rounding than those of the values.
            origin = values[0] if origin is None else origin
            low = values.amin(dim=0) if low is None else torch.minimum(low, values.amin(dim=0))
            high = values.amax(dim=0) if high is None else torch.maximum(high, values.amax(dim=0))
            values = values - origin
            count, total, squares = count + len(values), total + values.sum(dim=0), squares + values.square().sum(dim=0)
            device = part.device
        if origin is None or low is None or high is None:
            raise ValueError("a standardizer needs at least one part")
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        scale = torch.where(high > low, 1 / deviation, 0)
        return cls((origin + mean).float().to(device), scale.float().to(device))

    def of_columns(self, columns: Tensor) -> Standardizer:
        """The same of some inputs [seen] int64 alone."""
        return Standardizer(self.shift[columns], self.scale[columns])

    def __call__(self, features: Tensor) -> Tensor:
        """[batch, inputs] as the network in training sees them."""
        return (features - self.shift) * self.scale

    def fold(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of the network that does with raw inputs what this one does with standardised ones.

        W (s (x - m)) + b = (W s) x + (b - (W s) m), computed in float64 where the device has it and rounded once.
        """
        exact = torch.float32 if self.shift.device.type == "mps" else torch.float64
        weight = weights[FIRST_WEIGHT].to(exact) * self.scale.to(exact)
        bias = weights[FIRST_BIAS].to(exact) - weight @ self.shift.to(exact)
        return {**weights, FIRST_WEIGHT: weight.float(), FIRST_BIAS: bias.float()}
