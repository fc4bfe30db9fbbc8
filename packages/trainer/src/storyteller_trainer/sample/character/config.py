"""What the user asks the generator for. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from storyteller_schema.common.errors import WrongValue

#: How many cells and examples are made when neither is asked for: as many as in the engine's own training file.
DEFAULT_CELLS = 1303
DEFAULT_EXAMPLES = 15_000


@dataclass(kw_only=True, slots=True)
class SampleConfig:
    """What is to be generated."""

    #: Id of a genre of the descriptor set.
    genre: str = "low_fantasy_folklore"
    #: How many cells; None for 1,303, or for as many as there are examples or cells in the genre if that is fewer.
    cells: int | None = None
    #: How many examples to draw, spread over the cells as evenly as whole numbers allow.
    #:
    #: None for 15,000, or for one of each cell if that is more.
    examples: int | None = None
    #: How many examples to draw from each cell, in place of `examples`.
    variations: int | None = None
    #: Same seed, same descriptors, same examples and ids.
    seed: int = 42
    #: Examples below are rejected: counted, and not replaced. The generator's own labels never score below 0.63.
    min_coherence: float = 0.6

    def __post_init__(self) -> None:
        for name in ("cells", "examples", "variations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise WrongValue(f"{name} is {value}; expected 1 or more", name)
        if self.examples is not None and self.variations is not None:
            raise WrongValue(
                f"examples is {self.examples} and variations is {self.variations}; give one of them, not both",
                *("examples", "variations"),
            )
        if self.seed < 0:
            raise WrongValue(f"seed is {self.seed}; expected 0 or more", "seed")
        if not 0 <= self.min_coherence <= 1:
            raise WrongValue(f"min_coherence is {self.min_coherence}; expected 0 to 1", "min_coherence")
