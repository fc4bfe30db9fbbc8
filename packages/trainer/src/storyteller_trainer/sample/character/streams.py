"""Random streams. The numbers come from NumPy's PCG64, and each purpose has streams of its own."""

from __future__ import annotations

from numpy.random import PCG64, Generator, SeedSequence

#: What a stream is for.
CELL_STREAM, EXAMPLE_STREAM, ID_STREAM = range(3)


def stream(seed: int, purpose: int, chunk: int = 0) -> Generator:
    """The stream of one purpose, and of one chunk of examples: it does not depend on what other streams gave."""
    return Generator(PCG64(SeedSequence((seed, purpose, chunk))))
