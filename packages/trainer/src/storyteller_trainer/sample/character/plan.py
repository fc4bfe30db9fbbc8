"""What is to be generated: which cells, and how many examples of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from storyteller_schema.common.errors import WrongValue

from storyteller_trainer.character.rules.array_views import Int
from storyteller_trainer.sample.character.cells import Cells, find_genre, valid_cells
from storyteller_trainer.sample.character.config import DEFAULT_CELLS, DEFAULT_EXAMPLES, SampleConfig
from storyteller_trainer.sample.character.descriptors import Descriptors
from storyteller_trainer.sample.character.streams import CELL_STREAM, stream


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Which cells are drawn from, and how often each."""

    config: SampleConfig
    descriptors: Descriptors
    #: The chosen cells, in the order in which they are drawn from.
    cells: Cells
    #: Cells that the genre has.
    available: int
    #: [cells]: examples to draw from each.
    counts: Int

    @property
    def total(self) -> int:
        """Examples to draw."""
        return int(self.counts.sum())


def make_plan(descriptors: Descriptors, config: SampleConfig) -> Plan:
    """Chooses the cells of a genre at random and spreads the examples over them.

    Raises:
        WrongValue: there is no such genre, it has fewer cells than asked for, or examples are fewer than cells.
    """
    valid = valid_cells(descriptors, find_genre(descriptors, config.genre))
    wanted = config.cells
    if wanted is None:
        wanted = min(DEFAULT_CELLS, len(valid), config.examples or DEFAULT_CELLS)
    if wanted > len(valid):
        raise WrongValue(
            f'{wanted} cells are asked for, but genre "{config.genre}" has {len(valid)}; ask for at most that many',
            "cells",
        )
    if config.examples is not None and config.examples < wanted:
        raise WrongValue(
            f"{config.examples} examples cannot cover {wanted} cells; ask for more examples or for fewer cells",
            *("cells", "examples"),
        )
    if config.variations is not None:
        counts = np.full(wanted, config.variations)
    else:
        each, one_more = divmod(config.examples or max(DEFAULT_EXAMPLES, wanted), wanted)
        counts = np.full(wanted, each)
        counts[:one_more] += 1
    shuffled = stream(config.seed, CELL_STREAM).permutation(len(valid))
    return Plan(
        config=config,
        descriptors=descriptors,
        cells=valid.take(shuffled[:wanted]),
        available=len(valid),
        counts=counts,
    )
