"""Both kinds of training, on data that is small enough for a run to take a second."""

from __future__ import annotations

import pytest
import torch
from character_data import make_records, write_jsonl
from run_kinds import RunKind, character_kind, event_kind
from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.events.data.dataset import EventDataset, load_events
from storyteller_trainer.events.training import train as events_train
from storyteller_trainer.sample.events.generate import generate, write_examples
from tiny_encoders import save_tiny_encoder

# Networks so small gain nothing from more threads.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def character_data(tmp_path_factory: pytest.TempPathFactory) -> CharacterDataset:
    path = write_jsonl(tmp_path_factory.mktemp("data") / "small.jsonl", make_records(240))
    return load_dataset(path, cache_dir=None)


@pytest.fixture(scope="session")
def event_data(tmp_path_factory: pytest.TempPathFactory) -> EventDataset:
    path = tmp_path_factory.mktemp("data") / "events.jsonl"
    write_examples(path, generate(per_kind=12, seed=1).examples)
    return load_events(path)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_encoder(tmp_path_factory.mktemp("encoder"), "bert"))


@pytest.fixture(params=[*RECIPES, "events"])
def kind(
    request: pytest.FixtureRequest,
    character_data: CharacterDataset,
    event_data: EventDataset,
    encoder: str,
    monkeypatch: pytest.MonkeyPatch,
) -> RunKind:
    """The character model by each of its recipes, then an event classifier."""
    if request.param != "events":
        return character_kind(character_data, request.param)
    # Every epoch is better than the one before, so that a run writes all its files after each.
    monkeypatch.setattr(events_train.Epoch, "rank", property(lambda epoch: (epoch.number, 0.0)))
    return event_kind(event_data, encoder)
