"""The Rust stand-in, built once, and one small trained model, alone in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from require_cargo import require_cargo
from rust_engine import build, run_engine
from storyteller_exporter.export.character import export_character
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.commands.generate_training_data import main as generate_training_data

#: What the engine loads.
FILE_NAME = "character_predictor.onnx"
#: Runs `engine` with these arguments and JSON lines.
Engine = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the crate's programs."""
    require_cargo()
    return build()


@pytest.fixture
def engine(programs: Path) -> Engine:
    def run(*arguments: str | Path, lines: Iterable[str | bytes] = (), cwd: Path | None = None) -> list[Any]:
        return run_engine(programs, *arguments, lines=lines, cwd=cwd)

    return run


@dataclass(frozen=True)
class Trained:
    """Sample data, the run that was trained on it, and its export."""

    data: CharacterDataset
    run: Path
    #: The one file in its folder.
    file: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The whole chain, small: 600 examples, 20 epochs, one ONNX file moved into an otherwise empty folder."""
    folder = tmp_path_factory.mktemp("character")
    data_file = folder / "character.jsonl"
    options = ["--cells", "60", "--examples", "600", "--seed", "5", "--output", str(data_file)]
    generate_training_data.main(options, standalone_mode=False)
    data = load_dataset(data_file, folder / "cache")
    train_character_model(data, folder / "run", torch.device("cpu"), options={"epochs": 20})
    export_character(folder / "run", folder / "models" / FILE_NAME)
    alone = tmp_path_factory.mktemp("alone") / FILE_NAME
    shutil.move(folder / "models" / FILE_NAME, alone)
    assert [path.name for path in alone.parent.iterdir()] == [FILE_NAME]
    return Trained(data, folder / "run", alone)
