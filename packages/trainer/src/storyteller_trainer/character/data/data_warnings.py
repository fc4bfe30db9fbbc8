"""What is suspicious about sound training data: what never occurs, never changes, or is nearly empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Kind
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.data.rows import take
from storyteller_trainer.character.data.violations import Floats

#: A slot that fewer examples fill is hardly learned; one that none fills is told as such.
RARE_SLOT = 0.01
#: An archetype, dynamic or profile of fewer cells cannot be both trained on and judged.
FEW_CELLS = 5
#: Examples that are looked at before a training and for its page, evenly spaced: it takes a tenth of a second.
LOOKED_AT = 20_000


class DataWarning(msgspec.Struct, frozen=True):
    """One line for the user."""

    text: str
    #: Whether it is about what the network is to learn, and worth a line before every training.
    serious: bool


class DataWatch:
    """Looks at examples, chunk by chunk, and says what is suspicious about all of them."""

    def __init__(self, usual: frozenset[str] = frozenset()) -> None:
        """
        Args:
            usual: names of label classes and label floats that never occur in the engine's own data either, such as
                `speech.register[Internal]`: not serious.
        """
        self._usual = usual
        self._examples = 0
        self._lowest, self._highest = (
            {layout: np.full(layout.size, end) for layout in (FEATURES, PREDICTIONS)} for end in (np.inf, -np.inf)
        )
        self._filled = {region.name: np.zeros(region.slots, np.int64) for region in FEATURES.regions}

    def add(self, features: Floats, labels: Floats) -> None:
        """Looks at some examples: [n, inputs] and [n, outputs]."""
        if not len(features):
            return
        self._examples += len(features)
        for layout, values in ((FEATURES, features), (PREDICTIONS, labels)):
            np.minimum(self._lowest[layout], values.min(axis=0), out=self._lowest[layout])
            np.maximum(self._highest[layout], values.max(axis=0), out=self._highest[layout])
        for region in FEATURES.regions:
            slots = features[:, region.span].reshape(len(features), region.slots, region.per_slot)
            self._filled[region.name] += slots.any(axis=2).sum(axis=0)

    def warnings(self, cell_names: Sequence[Cell] = ()) -> list[DataWarning]:
        """What was found; serious ones first.

        Args:
            cell_names: every cell of the data once; without them nothing is said about few cells.
        """
        if not self._examples:
            return []
        found = [*self._labels(), *_few(cell_names), *self._slots(), *self._inputs()]
        return sorted(found, key=lambda warning: not warning.serious)

    def _labels(self) -> Iterator[DataWarning]:
        names = PREDICTIONS.float_names
        for region in PREDICTIONS.regions:
            for field in region.fields:
                for index in range(*region.locate(field.name).indices(PREDICTIONS.size)):
                    low, high = (end[PREDICTIONS][index] for end in (self._lowest, self._highest))
                    if low != high:
                        continue
                    state = "never occurs" if field.kind is not Kind.FLOAT and high == 0 else f"is always {high:g}"
                    yield DataWarning(f"label {names[index]} {state}", names[index] not in self._usual)

    def _slots(self) -> Iterator[DataWarning]:
        for region in FEATURES.regions:
            filled = self._filled[region.name]
            labels = region.slot_labels or ("",)
            empty = [label for label, count in zip(labels, filled, strict=True) if not count]
            if empty:
                yield DataWarning(f"inputs: {region.name} {_listed(empty)}: never filled", False)
            for label, count in zip(labels, filled, strict=True):
                if 0 < count < RARE_SLOT * self._examples:
                    yield DataWarning(f"inputs: {region.name} {label}: filled in {count:,} examples only", False)

    def _inputs(self) -> Iterator[DataWarning]:
        """By field, over all slots that are ever filled."""
        for region in FEATURES.regions:
            used = np.flatnonzero(self._filled[region.name])
            for field in region.fields:
                spans = [region.locate(field.name, int(slot)) for slot in used]
                if not spans:
                    continue
                low, high = (_joined(ends[FEATURES], spans) for ends in (self._lowest, self._highest))
                if field.kind is Kind.ONE_HOT:
                    never = [label for label, most in zip(field.labels, high.max(axis=0), strict=True) if most == 0]
                    if never:
                        yield DataWarning(f"inputs: {region.name} {field.name}: never {_listed(never)}", False)
                elif (low == high).all() and (low == low[0, 0]).all():
                    yield DataWarning(f"inputs: {region.name} {field.name}: always {low[0, 0]:g}", False)


def look_at(data: CharacterDataset, usual: frozenset[str]) -> tuple[list[DataWarning], int]:
    """What is suspicious about a data set, as far as LOOKED_AT of its examples show it; and how many were looked at.

    Args:
        usual: as for `DataWatch`.
    """
    rows = np.unique(np.linspace(0, len(data) - 1, min(LOOKED_AT, len(data))).round().astype(np.intp))
    watch = DataWatch(usual)
    watch.add(take(data.features, rows), take(data.labels, rows))
    return watch.warnings(data.cell_names), len(rows)


def _joined(ends: NDArray[np.float64], spans: Sequence[slice]) -> NDArray[np.float64]:
    """[slots, floats of the field]."""
    return np.stack([ends[span] for span in spans])


def _few(cell_names: Sequence[Cell]) -> Iterator[DataWarning]:
    for kind, attribute in (("archetype", "archetype_a"), ("dynamic", "dynamic"), ("profile", "profile")):
        counts = Counter(str(getattr(cell, attribute)) for cell in cell_names)
        few = {name: count for name, count in counts.items() if count < FEW_CELLS}
        if few:
            least = ", ".join(f"{name} ({count})" for name, count in sorted(few.items(), key=lambda item: item[1])[:5])
            more = f" and {len(few) - 5} more" if len(few) > 5 else ""
            verb = "has" if len(few) == 1 else "have"
            yield DataWarning(f"{kind}: {least}{more} {verb} fewer than {FEW_CELLS} cells", True)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
