"""Seeds of everything random in one epoch, from the run's seed and the epoch's number; 0 stands for the first weights.

So no generator's state is kept: epoch 7 draws the same whether the epochs before it were run by this process or by one
that was killed. The two kinds of model came by different formulas; either one's results depend on its own.
"""

from __future__ import annotations

import hashlib

import numpy as np


def character_epoch_seed(seed: int, epoch: int) -> int:
    """Of the character model: by NumPy's SeedSequence; below 2**63."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> 1)


def event_epoch_seed(seed: int, epoch: int) -> int:
    """Of the event classifiers: by SHA-256; below 2**64."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}".encode()).digest()[:8])
