"""Tensors and typed metadata in one safetensors file.

The metadata is JSON inside the file's own header, so weights and what is said about them are written by one rename and
can never belong to different epochs. Nothing is unpickled on the way back.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, write_atomic
from torch import Tensor

#: The key of the header under which the JSON stands. One key only: the order of several would differ from run to run.
_KEY = "storyteller"

M = TypeVar("M", bound=msgspec.Struct)


def package_versions(*extra: str) -> dict[str, str]:
    """The versions that made a checkpoint: Python, the trainer, torch, NumPy, and any further packages named."""
    packages = ("storyteller-trainer", "torch", "numpy", *extra)
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def save_tensors(path: StrPath, tensors: Mapping[str, Tensor], metadata: msgspec.Struct) -> None:
    """Writes the file atomically.

    Raises:
        StorytellerError: the folder cannot be written to.
    """
    path = Path(path)
    header = {_KEY: msgspec.json.encode(metadata).decode()}
    write_atomic(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, header))


def read_metadata(path: StrPath, kind: type[M]) -> M:
    """The metadata of a file, without its tensors.

    Raises:
        StorytellerError: there is no such file, it is damaged, or it is not a checkpoint of this kind.
    """
    path = Path(path)
    return _read(path, kind, tensors=False)[1]


def read_tensors(path: StrPath, kind: type[M]) -> tuple[dict[str, Tensor], M]:
    """The tensors (on the CPU) and the metadata of a file; errors as in `read_metadata`."""
    path = Path(path)
    return _read(path, kind, tensors=True)


def _read(path: Path, kind: type[M], *, tensors: bool) -> tuple[dict[str, Tensor], M]:
    if not path.is_file():
        raise StorytellerError(f"{path}: no such checkpoint file; train first, or name another")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_KEY)
            found = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise StorytellerError(f"{path}: not a readable safetensors file ({error}); train again") from error
    if header is None:
        raise StorytellerError(f"{path}: a safetensors file, but not a checkpoint of this trainer (no metadata)")
    try:
        return found, msgspec.json.decode(header, type=kind)
    except msgspec.DecodeError as error:
        raise StorytellerError(f"{path}: a checkpoint of another kind or version ({error}); train again") from error
