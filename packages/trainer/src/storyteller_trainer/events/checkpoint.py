"""A trained classifier on disk: `best.safetensors` with its metadata inside, `config.json` and `tokenizer.json`.

The encoder's configuration and the tokenizer are written once, when a run begins; the weights and what is known about
them are one file, so that replacing it is one atomic step. Loading never touches the network.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from storyteller_schema.errors import StorytellerError
from storyteller_schema.events import BIO_LABELS, MAX_SEQ_LENGTH, EventKind
from storyteller_schema.files import atomic_path, write_atomic
from storyteller_schema.metadata import event_fingerprint
from tokenizers import Tokenizer
from torch import Tensor

from storyteller_trainer.events.encoders import Encoder, encoder_from_config
from storyteller_trainer.events.models import Model, Task, build_model
from storyteller_trainer.events.tokenizer import read_tokenizer

BEST = "best.safetensors"
ENCODER_CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
#: The key of the safetensors header under which the metadata stands, as JSON.
HEADER_KEY = "storyteller"


class EventMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a trained classifier."""

    task: Task
    #: As the user named it: an alias, a hub id or a folder.
    encoder: str
    #: transformers' name of the architecture.
    family: str
    parameters: int
    #: The epoch after which these weights were taken, counted from 1.
    epoch: int
    #: Scores on the validation part, which chose this epoch: `macro_f1`, `micro_f1`, `entity_f1`.
    validation: dict[str, float]
    #: SHA-256, hex, of the training file's bytes.
    data_hash: str
    seed: int
    #: SHA-256, hex, of the tokenizer.json that these weights were trained with.
    tokenizer_hash: str
    event_kinds: tuple[str, ...] = EventKind.labels()
    bio_labels: tuple[str, ...] = BIO_LABELS
    max_length: int = MAX_SEQ_LENGTH
    fingerprint: str = msgspec.field(default_factory=event_fingerprint)
    versions: dict[str, str] = msgspec.field(
        default_factory=lambda: {name: version(name) for name in ("storyteller-trainer", "torch", "transformers")}
    )


@dataclass(frozen=True)
class EventCheckpoint:
    """A trained classifier, ready to run."""

    #: On the CPU, float32, in eval mode. The forward pass is documented in models.py.
    model: Model
    #: Without padding and truncation.
    tokenizer: Tokenizer
    metadata: EventMetadata


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """SHA-256, hex, of the tokenizer as `save_encoder` writes it."""
    return hashlib.sha256(tokenizer.to_str(pretty=True).encode()).hexdigest()


def save_encoder(folder: Path, encoder: Encoder) -> None:
    """Writes what does not change during a run: the encoder's configuration and its tokenizer."""
    write_atomic(folder / TOKENIZER, encoder.tokenizer.to_str(pretty=True))
    write_atomic(folder / ENCODER_CONFIG, encoder.model.config.to_json_string(use_diff=False))


def save_weights(path: Path, model: Model, metadata: EventMetadata) -> None:
    """Writes the weights and the metadata as one file, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {HEADER_KEY: msgspec.json.encode(metadata).decode()})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file of this workspace, on the CPU, and its metadata as JSON text.

    Raises:
        StorytellerError: the file is missing, is no safetensors file, or carries no metadata of this workspace.
    """
    if not path.is_file():
        raise StorytellerError(f"{path}: no such file; train first: train-event-classifier --output-dir {path.parent}")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a mapping)
    except (SafetensorError, OSError) as error:
        raise StorytellerError(f"{path}: not a readable safetensors file: {error}; train again") from error
    if header is None:
        raise StorytellerError(f"{path}: no {HEADER_KEY!r} metadata inside; it was not written by this workspace")
    return tensors, header


def load_event_checkpoint(path: Path) -> EventCheckpoint:
    """Loads the best model of a run folder.

    Raises:
        StorytellerError: a file is missing or broken, the files do not belong together, or the model was trained for
            another event contract than this one.
    """
    tensors, header = read_tensors(path / BEST)
    try:
        metadata = msgspec.json.decode(header, type=EventMetadata)
    except msgspec.DecodeError as error:
        raise StorytellerError(f"{path / BEST}: metadata of another version: {error}; train again") from error
    if metadata.fingerprint != event_fingerprint():
        raise StorytellerError(
            f"{path / BEST}: trained for the event contract {metadata.fingerprint}, and this is {event_fingerprint()}; "
            "train again"
        )
    tokenizer = read_tokenizer(path / TOKENIZER)
    if tokenizer_hash(tokenizer) != metadata.tokenizer_hash:
        raise StorytellerError(f"{path / TOKENIZER}: not the tokenizer that {BEST} was trained with; train again")
    with torch.random.fork_rng(devices=[]):  # the random weights made here are replaced at once
        model = build_model(metadata.task, encoder_from_config(path))
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise StorytellerError(f"{path / BEST}: its weights do not fit {ENCODER_CONFIG}: {error}") from error
    return EventCheckpoint(model=model.eval(), tokenizer=tokenizer, metadata=metadata)
