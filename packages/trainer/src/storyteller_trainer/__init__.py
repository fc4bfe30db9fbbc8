"""Training the Storyteller engine's small models: data in, checkpoints out; see docs/python.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storyteller_schema.lazy import public

if TYPE_CHECKING:
    from storyteller_trainer.character.checkpoint import Checkpoint, load_checkpoint
    from storyteller_trainer.character.dataset import CharacterDataset, load_dataset
    from storyteller_trainer.character.files import find_shards
    from storyteller_trainer.character.model import CharacterModel
    from storyteller_trainer.character.run import train_character_model
    from storyteller_trainer.character.shards import load_shards
    from storyteller_trainer.device import choose_device
    from storyteller_trainer.events.checkpoint import EventCheckpoint, load_event_checkpoint
    from storyteller_trainer.events.dataset import EventDataset, load_events
    from storyteller_trainer.events.models import Task
    from storyteller_trainer.events.run import Request, train_classifier
    from storyteller_trainer.sample.config import SampleConfig
    from storyteller_trainer.sample.loading import load_descriptors
    from storyteller_trainer.sample.plan import make_plan
    from storyteller_trainer.sample.writer import write_dataset

    __version__: str

__all__ = [
    "CharacterDataset",
    "CharacterModel",
    "Checkpoint",
    "EventCheckpoint",
    "EventDataset",
    "Request",
    "SampleConfig",
    "Task",
    "__version__",
    "choose_device",
    "find_shards",
    "load_checkpoint",
    "load_dataset",
    "load_descriptors",
    "load_event_checkpoint",
    "load_events",
    "load_shards",
    "make_plan",
    "train_character_model",
    "train_classifier",
    "write_dataset",
]

if not TYPE_CHECKING:  # a type checker would take any name for one of ours
    __getattr__, __dir__ = public(
        __name__,
        {
            "Checkpoint": "character.checkpoint",
            "load_checkpoint": "character.checkpoint",
            "CharacterDataset": "character.dataset",
            "load_dataset": "character.dataset",
            "CharacterModel": "character.model",
            "train_character_model": "character.run",
            "find_shards": "character.files",
            "load_shards": "character.shards",
            "choose_device": "device",
            "EventCheckpoint": "events.checkpoint",
            "load_event_checkpoint": "events.checkpoint",
            "EventDataset": "events.dataset",
            "load_events": "events.dataset",
            "Task": "events.models",
            "Request": "events.run",
            "train_classifier": "events.run",
            "load_descriptors": "sample.loading",
            "SampleConfig": "sample.config",
            "make_plan": "sample.plan",
            "write_dataset": "sample.writer",
        },
    )
