"""What a run does because of what was found of its data's labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.data.batches import MappedSource, ResidentSource
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.data.manifest import manifest_path
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.rules.array_views import label
from storyteller_trainer.character.rules.axes import AxisPlaces
from storyteller_trainer.character.rules.report import RulesReport
from storyteller_trainer.character.training.by_rules import rules_of
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.character.training.summary import RunSummary, closing_lines
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.plan import make_plan
from storyteller_trainer.sample.character.writer import write_dataset

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 128}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sample.jsonl"
    write_dataset(make_plan(load_descriptors(), SampleConfig(examples=700, cells=60)), path)
    return path


@pytest.fixture(scope="module")
def data(file: Path) -> CharacterDataset:
    return load_dataset(file, cache_dir=None)


@pytest.fixture(scope="module")
def places() -> AxisPlaces:
    return axis_places(load_descriptors())


@pytest.fixture
def odd(data: CharacterDataset) -> CharacterDataset:
    """The same with another target in one example."""
    labels = np.array(data.labels)
    label(labels, "action.target_index")[3] = 2
    return replace(data, labels=labels)


def train(
    data: CharacterDataset, places: AxisPlaces | None, folder: str = "run", **arguments: Any
) -> tuple[RunSummary, list[str]]:
    lines: list[str] = []
    options = QUICK | arguments.pop("options", {})
    summary = train_character_model(data, folder, CPU, places=places, options=options, notify=lines.append, **arguments)
    return summary, lines


def test_labels_that_follow_are_trained_on_as_expected(data: CharacterDataset, places: AxisPlaces) -> None:
    summary, lines = train(data, places)
    assert "labels follow the engine's rules" in lines
    assert summary.recipe["expected_labels"] is True
    assert summary.recipe["augment"] is True
    assert summary.rules is not None
    assert summary.rules.follow
    assert "labels follow the engine's rules" in closing_lines(summary)
    stored = json.loads(Path("run/run.json").read_text())["rules"]
    assert stored["rows"] == 700
    assert stored["rules"]["dominant emotion"] == {"verdict": "follow", "evidence": ""}
    assert summary.irreducible == data.ceiling.irreducible(HEAD_WEIGHTS)


def test_only_the_training_side_has_expected_labels(
    data: CharacterDataset, places: AxisPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: dict[str, list[torch.Tensor]] = {}

    def catch(
        self: Trainer, recipe: object, train: ResidentSource, validation: ResidentSource, places: AxisPlaces
    ) -> None:
        sides["train"], sides["validation"] = (
            [torch.cat([batch.labels for batch in side.in_order(100)])] for side in (train, validation)
        )
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "__init__", catch)
    for limit in (1e9, 0):
        with pytest.raises(KeyboardInterrupt):
            train(data, places, memory_limit=limit)
        action = sides["train"][0][:, :6]
        assert ((action > 0) & (action < 1)).all(), "probabilities"
        assert set(sides["validation"][0][:, :6].flatten().tolist()) == {0.0, 1.0}
        sides.setdefault("all", []).append(sides["train"][0])
    resident, mapped = sides["all"]
    assert torch.equal(resident, mapped)
    train_rows = ResidentSource.of(np.array(data.features), np.array(data.labels), CPU)
    assert len(train_rows) == 700


def test_a_source_in_files_relabels_what_it_reads(data: CharacterDataset, places: AxisPlaces) -> None:
    rules = rules_of(data, places)
    rows = np.arange(0, 700, 3)
    source = MappedSource(data.features, data.labels, rows, CPU, rules.expected)
    expected = rules.expected(np.array(data.features)[rows], np.array(data.labels)[rows], rows)
    assert np.array_equal(torch.cat([batch.labels for batch in source.in_order(64)]).numpy(), expected)
    seen = torch.cat([batch.labels for batch in source.shuffled(64, torch.Generator().manual_seed(0))]).numpy()
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, expected.tolist()))


def test_the_ceiling_is_computed_where_no_manifest_tells_it(
    file: Path, data: CharacterDataset, places: AxisPlaces, tmp_path: Path
) -> None:
    bare = tmp_path / "engine.jsonl"
    bare.write_bytes(file.read_bytes())
    manifest_path(bare).write_text(json.dumps({"version": "1.0", "total_valid": 700, "seed": 1}))
    told, computed = (
        train(each, places, folder=name)[0] for each, name in ((data, "a"), (load_dataset(bare, None), "b"))
    )
    assert computed.irreducible is not None
    assert told.irreducible is not None
    assert computed.irreducible.total == pytest.approx(told.irreducible.total)
    assert computed.best_accuracy == pytest.approx(told.best_accuracy)
    unknown, _ = train(load_dataset(bare, None), None, folder="c")
    assert unknown.irreducible is None
    assert unknown.best_accuracy == {}


def test_where_a_rule_differs_what_rests_on_it_is_off_and_nothing_is_claimed(
    odd: CharacterDataset, places: AxisPlaces
) -> None:
    summary, lines = train(odd, places)
    assert "labels against the engine's rules: differ in: target index" in lines
    assert "  target index: is not -1 in 1 of 700 rows" in lines
    assert any(line.startswith("Expected labels are off: ") for line in lines)
    assert any(line.startswith("Augmentation is off: ") for line in lines)
    assert (summary.recipe["augment"], summary.recipe["expected_labels"]) == (False, False)
    assert summary.irreducible is None
    assert summary.best_accuracy == {}


def test_augmentation_that_was_asked_for_is_obeyed(odd: CharacterDataset, places: AxisPlaces) -> None:
    summary, lines = train(odd, places, options={"augment": True})
    assert summary.recipe["augment"] is True
    assert any(line.startswith("Augmentation stays on as asked") for line in lines)
    summary, lines = train(odd, places, folder="off", options={"augment": False})
    assert not any("Augmentation" in line for line in lines)


def test_expected_labels_that_were_asked_for_but_cannot_be_are_refused(
    odd: CharacterDataset, data: CharacterDataset, places: AxisPlaces
) -> None:
    for these, known, words in ((odd, places, "differ in: target index"), (data, None, "cannot be told: action type")):
        with pytest.raises(StorytellerError, match=words):
            train(these, known, options={"expected_labels": True})


def test_where_axes_are_not_known_only_the_expected_labels_are_off(data: CharacterDataset) -> None:
    summary, lines = train(data, None)
    assert (summary.recipe["augment"], summary.recipe["expected_labels"]) == (True, False)
    assert any("cannot be told: action type, valence, speech occurs, awareness" in line for line in lines)
    assert summary.irreducible is not None, "as the manifest says"


def test_the_reference_recipe_says_what_was_found_and_changes_nothing(
    odd: CharacterDataset, places: AxisPlaces
) -> None:
    summary, lines = train(odd, places, preset="reference")
    assert "differ in: target index" in lines[0]
    assert not any("off" in line for line in lines)
    assert summary.recipe["augment"] is False


@pytest.mark.parametrize("limit", [1e9, 0])
def test_a_resumed_run_ends_with_the_same_bits(
    data: CharacterDataset, places: AxisPlaces, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    train(data, places, folder="whole", memory_limit=limit)
    run_epoch = Trainer.run_epoch
    with monkeypatch.context() as patch:

        def die(self: Trainer, *arguments: object) -> object:
            if self.train_state.epoch == 1:
                raise RuntimeError("killed")
            return run_epoch(self)

        patch.setattr(Trainer, "run_epoch", die)
        with pytest.raises(RuntimeError, match="killed"):
            train(data, places, folder="cut", memory_limit=limit)
    with pytest.raises(StorytellerError, match="trained on expected labels, but now not all rules are known to hold"):
        train(data, None, folder="cut", resume=True, memory_limit=limit)
    train(data, places, folder="cut", resume=True, memory_limit=limit)
    assert Path("cut/best.safetensors").read_bytes() == Path("whole/best.safetensors").read_bytes()


def test_a_resumed_run_that_was_settled_goes_on_by_the_preset(odd: CharacterDataset, places: AxisPlaces) -> None:
    train(odd, places)
    summary, _ = train(odd, places, preset="default", resume=True)
    assert summary.recipe["augment"] is False
    assert isinstance(summary.rules, RulesReport)
