"""Where batches come from: every example once an epoch, in an order that the seed decides, resident or not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from storyteller_trainer.character.data import batches
from storyteller_trainer.character.data.batches import MappedSource, ResidentSource, Source, make_source
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.data.standardize import Standardizer
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.character.training.train import Trainer

CPU = torch.device("cpu")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several windows of several blocks even on little data."""
    monkeypatch.setattr(batches, "BLOCK", 4)
    monkeypatch.setattr(batches, "WINDOW", 24)


def mapped(rows: int) -> MappedSource:
    """A side whose features and labels are the number of the example: every second one of the data."""
    numbers = np.arange(2 * rows, dtype=np.float32)[:, None]
    return MappedSource(np.repeat(numbers, 453, 1), np.repeat(numbers, 42, 1), np.arange(0, 2 * rows, 2), CPU)


def order(side: Source, size: int, seed: int) -> list[list[int]]:
    found = list(side.shuffled(size, torch.Generator().manual_seed(seed)))
    assert all(torch.equal(batch.features[:, :42], batch.labels) for batch in found)
    return [batch.features[:, 0].int().tolist() for batch in found]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("size", [1, 5, 8, 30, 200])
def test_every_example_is_seen_once(size: int) -> None:
    found = order(mapped(103), size, 1)
    assert [len(batch) for batch in found] == [size] * (103 // size) + ([103 % size] if 103 % size else [])
    assert sorted(chain.from_iterable(found)) == list(range(0, 206, 2))


@pytest.mark.usefixtures("small_blocks")
def test_the_seed_decides_the_order() -> None:
    side = mapped(103)
    assert order(side, 8, 1) == order(side, 8, 1) != order(side, 8, 2)


@pytest.mark.usefixtures("small_blocks")
def test_a_window_is_of_blocks_from_everywhere_and_shuffled() -> None:
    found = list(chain.from_iterable(order(mapped(960), 8, 1)))
    first = found[:24]
    assert len({number // 8 for number in first}) == 6, "six blocks of four"
    assert max(first) - min(first) > 480, "from all over the data"
    assert first != sorted(first)
    neighbours = sum(abs(a - b) == 2 for a, b in pairwise(found))
    assert neighbours < 960 / 4, "blocks do not stay together"


def test_in_order() -> None:
    found = [batch.features[:, 0].int().tolist() for batch in mapped(10).in_order(4)]
    assert found == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]


def test_the_limit_decides(side: Callable[..., ResidentSource]) -> None:
    held = side(100)
    features, labels = held.features.numpy(), held.labels.numpy()
    size = features.nbytes
    for rows in (np.arange(0, 80), np.arange(80, 100)):
        resident, mapped = (make_source(features, labels, rows, CPU, limit) for limit in (size, size - 1))
        assert isinstance(resident, ResidentSource)
        assert isinstance(mapped, MappedSource)
        assert len(resident) == len(mapped) == len(rows)


def test_the_extremes_are_the_same_from_files(
    side: Callable[..., ResidentSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PASS", 16)
    held = side(100)
    rows = np.arange(3, 100, 2)
    expected, found = (
        make_source(held.features.numpy(), held.labels.numpy(), rows, CPU, limit).extremes() for limit in (1e9, 0)
    )
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))
    assert torch.equal(expected[1], held.features[3::2].amax(dim=0))


def test_the_standardizer_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.randn(500, 453, generator=torch.Generator().manual_seed(0)) * 3 + 50
    features[:, 7] = 0.1
    expected = Standardizer.of(features)
    found = Standardizer.of_parts(torch.split(features, 64))
    torch.testing.assert_close(found.shift, expected.shift)
    torch.testing.assert_close(found.scale, expected.scale, rtol=1e-4, atol=0)
    assert found.scale[7] == 0


@pytest.fixture
def data(small_jsonl: Path) -> CharacterDataset:
    return load_dataset(small_jsonl, Path("cache"))


@pytest.mark.parametrize("preset", RECIPES)
def test_both_ways_end_near_each_other(data: CharacterDataset, preset: str) -> None:
    options = {"epochs": 3, "batch_size": 16, "dropout": 0.0}
    losses = [
        train_character_model(data, Path(f"run{limit}"), CPU, preset=preset, options=options, memory_limit=limit)
        for limit in (1e9, 0)
    ]
    train, validation = (
        make_source(data.features, data.labels, rows, CPU, 1e9) for rows in (np.arange(200), np.arange(200, 240))
    )
    untrained = Trainer(RECIPES[preset], train, validation)
    before = untrained.validate().losses.total
    assert losses[0].val_loss != losses[1].val_loss, "another order"
    assert abs(losses[0].val_loss - losses[1].val_loss) < 0.2 * (before - losses[0].val_loss)


@pytest.mark.usefixtures("small_blocks")
def test_a_resumed_run_ends_with_the_same_bits(data: CharacterDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"epochs": 3, "batch_size": 16}

    def train(folder: str, *, resume: bool = False) -> None:
        train_character_model(data, Path(folder), CPU, options=options, resume=resume, memory_limit=0)

    train("whole")
    run_epoch = Trainer.run_epoch
    with monkeypatch.context() as patch:

        def die(self: Trainer, *args: object) -> object:
            if self.train_state.epoch == 1:
                raise RuntimeError("killed")
            return run_epoch(self)

        patch.setattr(Trainer, "run_epoch", die)
        with pytest.raises(RuntimeError, match="killed"):
            train("part")
    train("part", resume=True)
    for name in ("best.safetensors", "history.jsonl"):
        assert (Path("part") / name).read_bytes() == (Path("whole") / name).read_bytes()
