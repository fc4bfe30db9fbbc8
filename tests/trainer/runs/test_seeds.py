"""Seeds: other ones for other epochs, and the ones they always were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from storyteller_trainer.runs.seeds import character_epoch_seed, event_epoch_seed


@pytest.mark.parametrize(("formula", "below"), [(character_epoch_seed, 2**63), (event_epoch_seed, 2**64)])
def test_seeds_of_epochs_differ(formula: Callable[[int, int], int], below: int) -> None:
    seeds = {formula(seed, epoch) for seed in range(20) for epoch in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < below for seed in seeds)


def test_the_formulas_are_frozen() -> None:
    """A run that is resumed draws by them what it drew before."""
    assert [character_epoch_seed(42, epoch) for epoch in (0, 1)] == [5732826375231505755, 7829184764001561178]
    assert [event_epoch_seed(42, epoch) for epoch in (0, 1)] == [16747811396060459728, 3336585420874369494]
