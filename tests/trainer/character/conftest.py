"""Small valid training data as fixtures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from character_data import Record, make_arrays, make_records, write_jsonl
from storyteller_trainer.character.data.batches import ResidentSource

# The networks of these tests are too small to gain from more threads, and on a busy machine threads that wait for each
# other make them many times slower.
torch.set_num_threads(1)


@pytest.fixture
def records() -> Callable[..., list[Record]]:
    """`make_records`, as a fixture."""
    return make_records


@pytest.fixture
def write() -> Callable[[Path, Sequence[Record]], Path]:
    """`write_jsonl`, as a fixture."""
    return write_jsonl


@pytest.fixture
def side() -> Callable[..., ResidentSource]:
    """`side(rows, seed)`: valid examples as tensors on the CPU."""
    return lambda rows, seed=0: ResidentSource.of(*make_arrays(rows, seed), torch.device("cpu"))


@pytest.fixture(scope="session")
def small_jsonl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid file of 240 examples in 8 cells of 30."""
    return write_jsonl(tmp_path_factory.mktemp("data") / "small.jsonl", make_records(240))
