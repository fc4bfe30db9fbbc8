"""A sample of a file that is read once."""

from __future__ import annotations

import numpy as np
import pytest
from storyteller_trainer.character.data.chunks import Chunk
from storyteller_trainer.character.data.line_parser import Cell
from storyteller_trainer.character.rules import even_sample
from storyteller_trainer.character.rules.even_sample import EvenSample
from storyteller_trainer.character.rules.report import UNTOLD
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.generate import generate_dataset
from storyteller_trainer.sample.character.synthetic import random_descriptors


def chunk(number: int, rows: int = 10) -> Chunk:
    labels = np.full((rows, 42), number, np.float32)
    cells = [Cell("a", "b", "c", "d", True)] * rows
    return Chunk(np.zeros((rows, 453), np.float32), labels, cells, np.zeros(rows, np.uint64))


def test_what_is_kept_lies_evenly_over_all_that_was_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(even_sample, "ROWS", 80)
    sample = EvenSample()
    for number in range(100):
        sample.add(chunk(number))
        assert sum(len(kept.labels) for kept in sample.chunks) <= 80
    kept = [int(each.labels[0, 0]) for each in sample.chunks]
    assert kept == list(range(0, 100, 16))


def test_few_are_all_kept_and_judged() -> None:
    descriptors = random_descriptors(2)
    made = generate_dataset(descriptors, SampleConfig(examples=1200))
    names = [descriptors.archetypes[a].id for a in made.plan.cells.archetype_a[made.cells]]
    sample = EvenSample()
    for start in range(0, 1200, 500):
        rows = slice(start, start + 500)
        cells = [Cell(name, "b", "c", "d", True) for name in names[rows]]
        sample.add(Chunk(made.features[rows], made.labels[rows], cells, np.zeros(len(cells), np.uint64)))
    found = sample.check(axis_places(descriptors), 0.6)
    assert found.follow
    assert found.rows == 1200
    assert len(sample.check(None, 0.6).of(UNTOLD)) == 4
