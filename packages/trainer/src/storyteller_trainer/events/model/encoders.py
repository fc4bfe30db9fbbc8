"""The pre-trained encoders: by alias, by hub id or from a local folder. Code that comes with a model is never run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.events import MAX_SEQ_LENGTH
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from storyteller_trainer.events.model.encoder_names import DEFAULT_ENCODER, resolve
from storyteller_trainer.events.model.tokenizer import composed, normalised, read_tokenizer

OFFLINE = (
    f"Offline choices: --encoder {DEFAULT_ENCODER}, which is installed with the workspace, or --encoder FOLDER, "
    "a folder with config.json, model.safetensors and tokenizer.json"
)


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder in float32 on the CPU, and its tokenizer."""

    #: As the user named it.
    name: str
    model: PreTrainedModel
    #: Normalised: no padding, no truncation, offsets without leading blanks. Composed: a mark stays with its letter.
    tokenizer: Tokenizer
    #: The same without composing, as runs of earlier versions have it; None where it is not known.
    uncomposed: Tokenizer | None = None

    @property
    def family(self) -> str:
        """The architecture: `bert`, `distilbert`, `deberta-v2`, `modernbert`, ..."""
        return str(self.model.config.model_type)


def load_encoder(name: StrPath) -> Encoder:
    """Loads an encoder and its tokenizer. Weights are read from safetensors only.

    The tokenizer of a folder is its tokenizer.json, as it is. (Where no tokenizer_config.json stands beside it,
    AutoTokenizer prefers its own defaults: a cased BERT would be lower-cased without a word.)

    Raises:
        StorytellerError: nothing of that name, the hub cannot be reached, the weights are not safetensors, the model
            wants to run its own code, or it takes fewer than 128 tokens.
    """
    name = os.fspath(name)
    source = resolve(name)
    file = Path(source) / "tokenizer.json"
    _silence_libraries()
    try:
        model = AutoModel.from_pretrained(source, trust_remote_code=False, use_safetensors=True, dtype=torch.float32)
        backend = normalised(read_tokenizer(file) if file.is_file() else _from_hub(name, source))
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise StorytellerError(f"--encoder {name}: cannot load {source}: {_reason(error)}. {OFFLINE}") from error
    _check_sizes(name, model.config, backend)
    return Encoder(name=name, model=model, tokenizer=composed(backend), uncomposed=backend)


def _from_hub(name: str, source: str) -> Tokenizer:
    """The tokenizer of a hub id, or of a folder that has one in another form."""
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise StorytellerError(f"--encoder {name}: it has no fast tokenizer (tokenizer.json). {OFFLINE}")
    backend: Tokenizer = tokenizer.backend_tokenizer
    return backend


def _silence_libraries() -> None:
    """No progress bars and no retry messages: what goes wrong is said once, in the error."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def _reason(error: Exception) -> str:
    """The library's message in one line; an unreachable hub, which it explains at length, in a few words."""
    text = " ".join(str(error).split())
    if "connect" in text or "offline mode" in text.lower():
        return "the model hub cannot be reached and the files are not in its cache"
    return text.rstrip(".")


def _check_sizes(name: str, config: PreTrainedConfig, tokenizer: Tokenizer) -> None:
    positions = getattr(config, "max_position_embeddings", MAX_SEQ_LENGTH)
    if positions < MAX_SEQ_LENGTH:
        raise StorytellerError(
            f"--encoder {name}: it takes at most {positions} tokens; the engine sends up to {MAX_SEQ_LENGTH}"
        )
    if tokenizer.get_vocab_size() > config.vocab_size:
        raise StorytellerError(
            f"--encoder {name}: its tokenizer knows {tokenizer.get_vocab_size()} tokens and its embedding "
            f"{config.vocab_size}; the two do not belong together"
        )


def encoder_from_config(folder: StrPath) -> PreTrainedModel:
    """An encoder with the architecture of `folder/config.json` and random weights, to load trained ones into.

    Raises:
        StorytellerError: the configuration is missing or names no architecture that transformers has.
    """
    folder = Path(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model: PreTrainedModel = AutoModel.from_config(  # type: ignore[no-untyped-call]
            config, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError) as error:
        raise StorytellerError(f"{folder}/config.json: no encoder can be built from it: {_reason(error)}") from error
    return model
