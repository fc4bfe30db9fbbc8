"""The script that shows what the engine's cut costs."""

from __future__ import annotations

from pathlib import Path

import pytest
import threshold_skew
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.plan import make_plan
from storyteller_trainer.sample.character.writer import write_dataset


def write(path: Path, seed: int) -> Path:
    write_dataset(make_plan(load_descriptors(), SampleConfig(cells=20, examples=200, seed=seed)), path)
    return path


def test_an_aligned_file_is_read_at_even_odds() -> None:
    data = write(Path("a.jsonl"), 1)
    # Small batches: enough steps for every delta to be kept, as a shift counts only with its delta.
    options = {"epochs": 2, "step_units": False, "batch_size": 32}
    train_character_model(load_dataset(data, None), Path("run"), torch.device("cpu"), options=options)
    examples, found = threshold_skew.readings(Path("run"), data)
    assert 20 <= examples <= 60
    for field, scores in found["as trained"].items():
        aligned = found["--align-thresholds"][field]
        # A raw value of exactly 0 would be cut differently; none is that close.
        assert aligned.as_engine == scores.at_even_odds
    assert len(threshold_skew.table(found)) == 2 + 2 * len(found["as trained"])
    with pytest.raises(StorytellerError, match=r"trained on other data than b\.jsonl"):
        threshold_skew.readings(Path("run"), write(Path("b.jsonl"), 2))
