"""Tiny encoders, a small generated data set, and records to spoil."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from storyteller_trainer.events.data.encoding import Batch
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.losses import task_losses
from storyteller_trainer.sample.events.generate import generate, write_examples
from tiny_encoders import FAMILIES, save_tiny_encoder
from torch import Tensor


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A saved encoder of each family."""
    root = tmp_path_factory.mktemp("encoders")
    return {family: save_tiny_encoder(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="session")
def tiny_bert(tiny_folders: dict[str, Path]) -> str:
    return str(tiny_folders["bert"])


@pytest.fixture(scope="session")
def examples() -> list[EventExample]:
    """96 generated examples, 12 of each primary kind, none too long for the tokenizers of the tiny encoders."""
    return generate(per_kind=12, seed=36).examples


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory, examples: list[EventExample]) -> Path:
    path = tmp_path_factory.mktemp("data") / "events.jsonl"
    write_examples(path, examples)
    return path


RECORD: dict[str, Any] = {
    "id": "1",
    "text": "Zoë gives the crown to Mara.",
    "register": "narrator",
    "event_kinds": ["ActionOccurrence"],
    "action_type": "Perform",
    "entities": [
        {"start": 0, "end": 4, "text": "Zoë", "category": "CHARACTER", "role": "Actor"},
        {"start": 15, "end": 20, "text": "crown", "category": "OBJECT", "role": "Target"},
        {"start": 24, "end": 28, "text": "Mara", "category": "CHARACTER", "role": "Target"},
    ],
}


@pytest.fixture
def record() -> dict[str, Any]:
    """A sound record whose offsets count bytes; a copy for the test to change."""
    return copy.deepcopy(RECORD)


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Writes records (as JSON) and bytes (as they are) to a file, one a line."""

    def write(*lines: dict[str, Any] | bytes, ending: bytes = b"\n") -> Path:
        path = tmp_path / "events.jsonl"
        encoded = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
        path.write_bytes(b"\n".join(encoded) + ending)
        return path

    return write


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny models are faster so, and the order of sums does not depend on the machine."""
    torch.set_num_threads(1)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the loss of the given training step, counted from 1 over all epochs, be NaN."""

    def arm(at: int) -> None:
        calls = 0

        def poisoned(logits: dict[str, Tensor], batch: Batch, weights: Tensor) -> dict[str, Tensor]:
            nonlocal calls
            calls += 1
            losses = task_losses(logits, batch, weights)
            return {name: loss * math.nan if calls == at else loss for name, loss in losses.items()}

        monkeypatch.setattr("storyteller_trainer.events.training.train.task_losses", poisoned)

    return arm
