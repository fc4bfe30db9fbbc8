"""The files of a character run: what they hold and how they are read back.

A run folder holds `best.safetensors` (the weights of the lowest validation loss), `last.safetensors` (the weights and
all that is needed to go on), `history.jsonl` and `run.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.fingerprint import fingerprint

from storyteller_trainer.character.model.metrics import Metrics
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.runs.run_files import best_of
from storyteller_trainer.runs.tensor_file import read_tensors, require_dtypes, save_tensors

#: What only training needs stands beside the weights in `last.safetensors`, under names that begin with this.
STATE_PREFIX = "training."


class CheckpointMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint says about its weights."""

    #: Of the contract the weights were trained for.
    schema_fingerprint: str
    #: Epochs of training behind the weights; 0 for an untrained network.
    epoch: int
    #: Weighted sum of the head losses on the validation side.
    val_loss: float
    #: Head name to its unweighted validation loss.
    head_losses: dict[str, float]
    #: Term name (`action.type`) to its validation loss; the terms of a head add up to the head's loss.
    term_losses: dict[str, float] = {}
    #: On the validation side.
    metrics: Metrics | None = None
    #: SHA-256, hex, of the training file.
    data_hash: str
    #: Number of weights and biases.
    parameters: int
    #: The recipe: every value that shaped the training.
    config: dict[str, Any]
    #: By which each process computed; 0 in files of versions that did not note it.
    threads: int = 0
    #: Package name to version, of the process that wrote the file.
    versions: dict[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and what is known about it."""

    #: On the CPU, in eval mode.
    model: CharacterModel
    metadata: CheckpointMetadata
    #: The file it was read from.
    path: Path


def save_checkpoint(path: StrPath, model: CharacterModel, metadata: CheckpointMetadata) -> None:
    """Writes the weights and what is known about them, atomically; errors as in `save_tensors`."""
    save_tensors(path, model.state_dict(), metadata)


def load_checkpoint(path: StrPath) -> Checkpoint:
    """Reads a run folder (its best) or one checkpoint file (`best` or `last`).

    Raises:
        StorytellerError: nothing is there, the file is damaged, its weights are not finite or not the network's, or it
            belongs to another contract.
    """
    path = Path(path)
    file = best_of(path)
    tensors, metadata = read_tensors(file, CheckpointMetadata)
    check_fingerprint(file, metadata.schema_fingerprint)
    model = CharacterModel()
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(STATE_PREFIX)}
    require_dtypes(file, weights, model.state_dict())
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise StorytellerError(f"{file}: its weights do not fit the network ({error}); train again") from error
    return Checkpoint(model.eval(), metadata, file)


def check_fingerprint(file: Path, found: str) -> None:
    """Refuses a file that was made for another contract.

    Raises:
        StorytellerError: with both fingerprints.
    """
    if found != fingerprint():
        raise StorytellerError(
            f"{file}: made for the contract {found}, but this workspace speaks {fingerprint()}; "
            f"train again, or go back to the version that made it"
        )
