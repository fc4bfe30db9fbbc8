"""What is to be generated: which cells, and how many examples of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from storyteller_schema.errors import StorytellerError

from storyteller_trainer.sample.arrays import Int
from storyteller_trainer.sample.cells import Cells, find_genre, valid_cells
from storyteller_trainer.sample.descriptors import Descriptors
from storyteller_trainer.sample.streams import CELL_STREAM, stream

#: How many cells and examples are made when neither is asked for: as many as in the engine's own training file.
DEFAULT_CELLS = 1303
DEFAULT_EXAMPLES = 15_000


@dataclass(kw_only=True, slots=True)
class SampleConfig:
    """What is to be generated."""

    genre: str = "low_fantasy_folklore"
    """Id of a genre of the descriptor set."""
    cells: int | None = None
    """How many cells; None for 1,303, or for as many as there are examples or cells in the genre if that is fewer."""
    examples: int | None = None
    """How many examples to draw, spread over the cells as evenly as whole numbers allow.

    None for 15,000, or for one of each cell if that is more."""
    variations: int | None = None
    """How many examples to draw from each cell, in place of `examples`."""
    seed: int = 42
    """Same seed, same descriptors, same examples and ids."""
    min_coherence: float = 0.6
    """Examples below are rejected: counted, and not replaced. The generator's own labels never score below 0.63."""

    def __post_init__(self) -> None:
        for name in ("cells", "examples", "variations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise StorytellerError(f"{name} is {value}; expected 1 or more")
        if self.examples is not None and self.variations is not None:
            raise StorytellerError(
                f"examples is {self.examples} and variations is {self.variations}; give one of them, not both"
            )
        if self.seed < 0:
            raise StorytellerError(f"seed is {self.seed}; expected 0 or more")
        if not 0 <= self.min_coherence <= 1:
            raise StorytellerError(f"min_coherence is {self.min_coherence}; expected 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Which cells are drawn from, and how often each."""

    config: SampleConfig
    descriptors: Descriptors
    cells: Cells
    """The chosen cells, in the order in which they are drawn from."""
    available: int
    """Cells that the genre has."""
    counts: Int
    """[cells]: examples to draw from each."""

    @property
    def total(self) -> int:
        """Examples to draw."""
        return int(self.counts.sum())


def make_plan(descriptors: Descriptors, config: SampleConfig) -> Plan:
    """Chooses the cells of a genre at random and spreads the examples over them.

    Raises:
        StorytellerError: there is no such genre, it has fewer cells than asked for, or examples are fewer than cells.
    """
    valid = valid_cells(descriptors, find_genre(descriptors, config.genre))
    wanted = config.cells
    if wanted is None:
        wanted = min(DEFAULT_CELLS, len(valid), config.examples or DEFAULT_CELLS)
    if wanted > len(valid):
        raise StorytellerError(
            f'{wanted} cells are asked for, but genre "{config.genre}" has {len(valid)}; ask for at most that many'
        )
    if config.examples is not None and config.examples < wanted:
        raise StorytellerError(
            f"{config.examples} examples cannot cover {wanted} cells; ask for more examples or for fewer cells"
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
