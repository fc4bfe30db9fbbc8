"""Tensors and typed metadata in one safetensors file.

The metadata is JSON inside the file's own header, so weights and what is said about them are written by one rename and
can never belong to different epochs. Nothing is unpickled on the way back.

Beside the metadata stands a SHA-256 of both, so that a bit that changed on a disk or on the way between two machines is
not taken for something learned. Files of earlier versions have none and are read without this check.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, write_atomic
from torch import Tensor

#: The key of the header under which the JSON stands. One key only: the order of several would differ from run to run.
_KEY = "storyteller"
#: The key of the checksum in that JSON.
_CHECKSUM = "sha256"

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
    content = msgspec.to_builtins(metadata)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = msgspec.json.encode(content | {_CHECKSUM: _checksum(content, plain)})
    write_atomic(path, save(plain, {_KEY: header.decode()}))


def _checksum(content: dict[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, hex, of metadata and tensors: names, types, shapes, values.

    Args:
        content: the metadata without its checksum; tensors: contiguous, on the CPU.
    """
    digest = hashlib.sha256(msgspec.json.encode(content))
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_metadata(path: StrPath, kind: type[M]) -> M:
    """The metadata of a file, without its tensors.

    Raises:
        StorytellerError: there is no such file, it is damaged, or it is not a checkpoint of this kind.
    """
    path = Path(path)
    return _read(path, kind, tensors=False)[1]


def read_tensors(path: StrPath, kind: type[M]) -> tuple[dict[str, Tensor], M]:
    """The tensors (on the CPU) and the metadata of a file.

    Raises:
        StorytellerError: as in `read_metadata`; the content is not what was written; or a value is not finite.
    """
    path = Path(path)
    return _read(path, kind, tensors=True)


def require_dtypes(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuses tensors of other number types than a network's own, which would be converted without a word.

    Args:
        path: the file that they come from.
        expected: the network's; what only one of the two has is nobody's business here.

    Raises:
        StorytellerError: naming the first that differs.
    """
    for name in sorted(tensors.keys() & expected.keys()):
        found, own = tensors[name].dtype, expected[name].dtype
        if found != own:
            raise StorytellerError(
                f"{path}: {name} holds {_dtype(found)}, and the network has {_dtype(own)} there; train again, or name "
                "another checkpoint"
            )


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


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
        metadata = msgspec.json.decode(header, type=kind)
    except msgspec.DecodeError as error:
        raise StorytellerError(f"{path}: a checkpoint of another kind or version ({error}); train again") from error
    if tensors:
        _check_content(path, header, found)
    return found, metadata


def _check_content(path: Path, header: str, tensors: Mapping[str, Tensor]) -> None:
    content = msgspec.json.decode(header, type=dict[str, Any])
    recorded = content.pop(_CHECKSUM, None)
    if recorded is not None and (found := _checksum(content, tensors)) != recorded:
        raise StorytellerError(
            f"{path}: damaged or changed since it was written: the SHA-256 of its content is {found}, and {recorded} "
            "was noted; copy it again from where it is sound, or train again"
        )
    for name, tensor in sorted(tensors.items()):
        if faults := int((~tensor.isfinite()).sum()):
            raise StorytellerError(
                f"{path}: {faults} of {tensor.numel()} values of {name} are not finite numbers; train again, with a "
                "lower learning rate, or name another checkpoint"
            )
