"""A trained classifier on disk: `best.safetensors` with its metadata inside, `config.json` and `tokenizer.json`.

The encoder's configuration and the tokenizer are written once, when a run begins; the weights and what is known about
them are one file, so that replacing it is one atomic step. Loading never touches the network.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, write_atomic
from storyteller_schema.contract.events import BIO_LABELS, MAX_SEQ_LENGTH, EventKind
from storyteller_schema.contract.fingerprint import event_fingerprint
from tokenizers import Tokenizer

from storyteller_trainer.events.data.convention import SpanConvention
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.model.classifiers import Model, Task, build_model
from storyteller_trainer.events.model.encoders import Encoder, encoder_from_config
from storyteller_trainer.events.model.tokenizer import read_tokenizer
from storyteller_trainer.runs.run_files import BEST
from storyteller_trainer.runs.tensor_file import package_versions, read_tensors, require_dtypes, save_tensors

ENCODER_CONFIG = "config.json"
TOKENIZER = "tokenizer.json"


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
    #: SHA-256, hex, of the training file's bytes; of several files, of their hashes.
    data_hash: str
    #: SHA-256, hex, of each training file.
    file_hashes: tuple[str, ...] = ()
    #: Whether the spans of the training data hold their determiners, and the share that begins with one.
    spans: SpanConvention = SpanConvention.UNKNOWN
    determiner_share: float = 0.0
    seed: int
    #: How the part was drawn that chose the epoch.
    split: Strategy
    #: SHA-256, hex, of the tokenizer.json that these weights were trained with.
    tokenizer_hash: str
    #: Held-out part to the SHA-256, hex, of its file in the run folder.
    held_out: dict[str, str] = {}
    #: Event kind to the threshold with the best F1 on the validation part; the engine's is 0.5 for all.
    thresholds: dict[str, float] = {}
    event_kinds: tuple[str, ...] = EventKind.labels()
    bio_labels: tuple[str, ...] = BIO_LABELS
    max_length: int = MAX_SEQ_LENGTH
    fingerprint: str = msgspec.field(default_factory=event_fingerprint)
    versions: dict[str, str] = msgspec.field(default_factory=lambda: package_versions("transformers", "tokenizers"))


@dataclass(frozen=True)
class EventCheckpoint:
    """A trained classifier, ready to run."""

    #: On the CPU, float32, in eval mode. The forward pass is documented in classifiers.py.
    model: Model
    #: Without padding and truncation.
    tokenizer: Tokenizer
    metadata: EventMetadata
    #: Of the run.
    folder: Path


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """SHA-256, hex, of the tokenizer as `save_encoder` writes it."""
    return hashlib.sha256(tokenizer.to_str(pretty=True).encode()).hexdigest()


def save_encoder(folder: Path, encoder: Encoder) -> None:
    """Writes what does not change during a run: the encoder's configuration and its tokenizer."""
    write_atomic(folder / TOKENIZER, encoder.tokenizer.to_str(pretty=True))
    write_atomic(folder / ENCODER_CONFIG, encoder.model.config.to_json_string(use_diff=False))


def save_weights(path: Path, model: Model, metadata: EventMetadata) -> None:
    """Writes the weights and what is known about them as one file, atomically."""
    save_tensors(path, model.state_dict(), metadata)


def load_event_checkpoint(path: StrPath) -> EventCheckpoint:
    """Loads the best checkpoint of a run, with what lies beside it in the folder.

    Raises:
        StorytellerError: a file is missing or broken, the files do not belong together, a weight is not finite, or the
            model was trained for another event contract than this one.
    """
    path = Path(path)
    tensors, metadata = read_tensors(path / BEST, EventMetadata)
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
    require_dtypes(path / BEST, tensors, model.state_dict())
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise StorytellerError(f"{path / BEST}: its weights do not fit {ENCODER_CONFIG}: {error}") from error
    return EventCheckpoint(model=model.eval(), tokenizer=tokenizer, metadata=metadata, folder=path)
