"""What the network in training sees of the inputs, and the first layer that takes all of them for the engine.

An input that has one value in all of the training side teaches nothing. Its weights would keep their random beginnings,
which the engine, where it varies, would add to what was learned; and to multiply by them takes time. So it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from storyteller_schema.contract.features import FEATURES
from torch import Tensor

from storyteller_trainer.character.data.batches import Source
from storyteller_trainer.character.data.standardize import FIRST_WEIGHT, Standardizer


class SeenInputs(NamedTuple):
    """Reads of raw inputs [batch, inputs] those that vary [batch, seen], as they are or standardised."""

    #: [seen] int64, ascending.
    columns: Tensor
    #: Of the inputs seen.
    standardizer: Standardizer | None

    @classmethod
    def of(cls, train: Source, *, standardize: bool) -> SeenInputs:
        """From the training side."""
        low, high = train.extremes()
        columns = (high > low).nonzero().squeeze(1)
        return cls(columns, train.standardizer().of_columns(columns) if standardize else None)

    def __call__(self, features: Tensor) -> Tensor:
        """[batch, seen], from [batch, inputs]."""
        seen = features.index_select(1, self.columns)
        return seen if self.standardizer is None else self.standardizer(seen)

    def unfold(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of the network that does with raw inputs what this one does with what it sees."""
        raw = weights if self.standardizer is None else self.standardizer.fold(weights)
        full = raw[FIRST_WEIGHT].new_zeros(len(raw[FIRST_WEIGHT]), FEATURES.size)
        return {**raw, FIRST_WEIGHT: full.index_copy_(1, self.columns, raw[FIRST_WEIGHT])}

    def tensors(self) -> list[Tensor]:
        """All of it, for other processes."""
        return [self.columns, *(self.standardizer or ())]
