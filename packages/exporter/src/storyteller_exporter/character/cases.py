"""The inputs on which a character file is tried."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Kind

from storyteller_exporter.checks.parity import Case

#: Batch sizes: the engine's own, two odd ones, and one that the runtime computes with other kernels.
BATCHES = (1, 2, 7, 256)
#: How far the large inputs are from those in use, which stay near 1.
LARGE = 1000.0
#: At most this many rows of real data are compared with PyTorch, evenly spaced over what was held out.
REAL_ROWS = 256
SEED = 0


def random_features(rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Inputs of the right form without meaning, [rows, inputs]: floats uniform in [-1, 1), one-hots as they are."""
    features = rng.uniform(-1.0, 1.0, (rows, FEATURES.size)).astype(np.float32)
    for region in FEATURES.regions:
        for field in region.fields:
            if field.kind is Kind.ONE_HOT:
                for slot in range(region.slots):
                    chosen = rng.integers(field.size, size=rows)
                    features[:, region.locate(field.name, slot)] = np.eye(field.size, dtype=np.float32)[chosen]
    return features


def evenly_spaced(positions: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """At most `count` of the positions of rows, in order, from first to last."""
    return positions[np.linspace(0, len(positions) - 1, min(count, len(positions))).round().astype(np.intp)]


def character_cases(real: NDArray[np.float32] | None = None) -> list[Case]:
    """Random rows in every batch size, all zeros, large magnitudes, and real rows [n, inputs] when there are some.

    Args:
        real: at most `REAL_ROWS`.
    """
    rng = np.random.default_rng(SEED)

    def case(name: str, features: NDArray[np.float32], *, scale: float = 1.0, singles: bool = False) -> Case:
        return Case(name, {"features": np.ascontiguousarray(features, dtype=np.float32)}, scale, singles)

    cases = [case(f"random, batch {size}", random_features(size, rng), singles=size == BATCHES[-1]) for size in BATCHES]
    cases.append(case("zeros, batch 2", np.zeros((2, FEATURES.size), dtype=np.float32)))
    cases.append(case("large, batch 64", random_features(64, rng) * np.float32(LARGE), scale=LARGE))
    if real is not None and len(real):
        cases.append(case(f"real, batch {len(real)}", real, singles=True))
    return cases
