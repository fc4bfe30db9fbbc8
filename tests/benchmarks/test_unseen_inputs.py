"""The script that fills what training data leaves empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import unseen_inputs
from storyteller_schema.contract.features import FEATURES
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.generate import generate_dataset


def test_each_change_fills_what_it_says_and_leaves_the_rest() -> None:
    features = generate_dataset(load_descriptors(), SampleConfig(cells=20, examples=40, seed=1)).features
    before = features.copy()
    changed = dict(unseen_inputs.changes(features))
    assert np.array_equal(features, before)
    assert np.array_equal(changed.pop("as in training"), before)
    edges, history = FEATURES["relational_edges"], FEATURES["history"]
    wanted = {
        "1 of 3 turns of history": range(history.offset, history.offset + history.per_slot),
        "3 of 3 turns of history": range(history.offset, history.offset + history.length),
        "2 of 5 relations": range(edges.offset + edges.per_slot, edges.offset + 2 * edges.per_slot),
        "5 of 5 relations": range(edges.offset + edges.per_slot, edges.offset + edges.length),
        "target_count 0": [FEATURES.span("player_event.target_count").start],
        "target_count 3": [FEATURES.span("player_event.target_count").start],
    }
    assert changed.keys() == wanted.keys()
    for name, values in changed.items():
        differ = np.flatnonzero((values != before).any(axis=0))
        assert set(differ) <= set(wanted[name]), name
        if "of" in name:
            region = edges if "relations" in name else history
            slots = values[:, region.span].reshape(len(values), region.slots, region.per_slot)
            assert slots.any(axis=2).sum(axis=1).tolist() == [int(name[0])] * len(values)


def test_a_model_that_ignores_them_is_not_harmed() -> None:
    data = generate_dataset(load_descriptors(), SampleConfig(cells=20, examples=40, seed=1))
    torch.manual_seed(0)
    model = CharacterModel().eval()
    first = model.trunk[0]
    assert isinstance(first, torch.nn.Linear)
    usual, *others = unseen_inputs.judge(model, data.features, data.labels)
    assert usual.other_action == 0
    assert {row.loss for row in others} != {usual.loss}
    edges = FEATURES["relational_edges"]
    with torch.no_grad():
        first.weight[:, edges.offset + edges.per_slot : edges.offset + edges.length] = 0
        first.weight[:, FEATURES["history"].span] = 0
        first.weight[:, FEATURES.span("player_event.target_count")] = 0
    usual, *others = unseen_inputs.judge(model, data.features, data.labels)
    for row in others:
        assert row.loss == pytest.approx(usual.loss)
        assert row[2:] == usual[2:]
    assert len(unseen_inputs.table([usual, *others])) == 2 + 7


def test_without_a_run_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["unseen_inputs.py", "a.jsonl", "--run", "nowhere"])
    assert unseen_inputs.main() == 1
    assert "nowhere" in capsys.readouterr().err
    assert not Path("nowhere").exists()
