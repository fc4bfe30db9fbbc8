"""The burn crate, built once, and what its tests read: the sample data, a short run on it, its export."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from require_cargo import require_cargo
from rust_engine import BURN_CRATE, build, run_program
from storyteller_exporter.export.character import export_character
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.commands.generate_training_data import main as generate_training_data

#: Runs `burn-character` with these arguments and JSON lines.
Burn = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the crate's programs."""
    require_cargo()
    return build(BURN_CRATE)


@pytest.fixture
def burn(programs: Path) -> Burn:
    def run(*arguments: str | Path, lines: Iterable[str | bytes] = ()) -> list[Any]:
        return run_program(programs / "burn-character", *arguments, lines=lines)

    return run


@dataclass(frozen=True)
class Trained:
    """The sample data, a run of the reference recipe on it, and its export."""

    data: CharacterDataset
    run: Path
    onnx: Path

    def rows(self) -> NDArray[np.float32]:
        """500 inputs [rows, inputs]: real ones, random ones, all zeros, all ones."""
        random = np.random.default_rng(3).standard_normal((248, 453), dtype=np.float32)
        corners = np.stack([np.zeros(453, dtype=np.float32), np.ones(453, dtype=np.float32)])
        return np.concatenate([self.data.features[:250], random, corners])

    def by_torch(self) -> NDArray[np.float32]:
        """What PyTorch makes of the rows, [rows, outputs]."""
        with torch.no_grad():
            heads = load_checkpoint(self.run).model(torch.from_numpy(self.rows()))
        outputs = np.concatenate([heads[head].numpy() for head in HEADS], axis=1)
        assert np.abs(outputs).max() > 0.5, "the outputs are too small for the comparison to mean anything"
        return outputs


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Trained:
    """15,000 examples, of which 12,000 are trained on, and two epochs. Not made where no program could read it."""
    folder = tmp_path_factory.mktemp("character")
    data_file = folder / "character.jsonl"
    generate_training_data.main(["--output", str(data_file)], standalone_mode=False)
    data = load_dataset(data_file, folder / "cache")
    train_character_model(data, folder / "run", torch.device("cpu"), preset="reference", options={"epochs": 2})
    export_character(folder / "run", folder / "character_predictor.onnx")
    return Trained(data, folder / "run", folder / "character_predictor.onnx")
