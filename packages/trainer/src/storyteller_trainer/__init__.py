"""Training the Storyteller engine's small models: data in, checkpoints out; see docs/python.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storyteller_schema.common.lazy import public

if TYPE_CHECKING:
    from storyteller_trainer.character.data.data_files import find_shards
    from storyteller_trainer.character.data.dataset import CharacterDataset, load_dataset
    from storyteller_trainer.character.data.shards import load_shards
    from storyteller_trainer.character.model.checkpoint import Checkpoint, load_checkpoint
    from storyteller_trainer.character.model.network import CharacterModel
    from storyteller_trainer.character.training.run import train_character_model
    from storyteller_trainer.events.data.dataset import EventDataset, load_events
    from storyteller_trainer.events.model.checkpoint import EventCheckpoint, load_event_checkpoint
    from storyteller_trainer.events.model.classifiers import Task
    from storyteller_trainer.events.training.run import Request, train_classifier
    from storyteller_trainer.runs.device import choose_device
    from storyteller_trainer.sample.character.config import SampleConfig
    from storyteller_trainer.sample.character.descriptor_files import load_descriptors
    from storyteller_trainer.sample.character.plan import make_plan
    from storyteller_trainer.sample.character.writer import write_dataset

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
            "Checkpoint": "character.model.checkpoint",
            "load_checkpoint": "character.model.checkpoint",
            "CharacterDataset": "character.data.dataset",
            "load_dataset": "character.data.dataset",
            "CharacterModel": "character.model.network",
            "train_character_model": "character.training.run",
            "find_shards": "character.data.data_files",
            "load_shards": "character.data.shards",
            "choose_device": "runs.device",
            "EventCheckpoint": "events.model.checkpoint",
            "load_event_checkpoint": "events.model.checkpoint",
            "EventDataset": "events.data.dataset",
            "load_events": "events.data.dataset",
            "Task": "events.model.classifiers",
            "Request": "events.training.run",
            "train_classifier": "events.training.run",
            "load_descriptors": "sample.character.descriptor_files",
            "SampleConfig": "sample.character.config",
            "make_plan": "sample.character.plan",
            "write_dataset": "sample.character.writer",
        },
    )
