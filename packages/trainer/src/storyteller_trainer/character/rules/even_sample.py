"""A sample of a file that is read once, from start to end, and whose length is not known before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from storyteller_trainer.character.data.chunks import Chunk
from storyteller_trainer.character.rules.axes import AxisPlaces, archetypes_of
from storyteller_trainer.character.rules.check import ROWS, check_rules
from storyteller_trainer.character.rules.report import RulesReport


class EvenSample:
    """Chunks that lie evenly over all that were shown: at most ROWS examples, at least half of that if there are."""

    def __init__(self) -> None:
        self._kept: list[Chunk] = []
        #: One chunk in so many is kept.
        self._stride = 1
        self._seen = 0

    @property
    def chunks(self) -> Sequence[Chunk]:
        """What is kept now."""
        return self._kept

    def add(self, chunk: Chunk) -> None:
        """Shows one more chunk."""
        if self._seen % self._stride == 0:
            self._kept.append(chunk)
        self._seen += 1
        while len(self._kept) > 1 and sum(len(kept.labels) for kept in self._kept) > ROWS:
            self._kept = self._kept[::2]
            self._stride *= 2

    def check(self, places: AxisPlaces | None, min_coherence: float | None) -> RulesReport:
        """Judges what is kept, of which there must be some; arguments as in `check_rules`."""
        cells = [cell for chunk in self._kept for cell in chunk.cells]
        return check_rules(
            np.concatenate([chunk.features for chunk in self._kept]),
            np.concatenate([chunk.labels for chunk in self._kept]),
            np.full(len(cells), -1) if places is None else archetypes_of(cells, places),
            places,
            min_coherence,
        )
