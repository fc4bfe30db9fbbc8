"""Tensors and typed metadata in one safetensors file.

The metadata is JSON inside the file's own header, so weights and what is said about them are written by one rename and
can never belong to different epochs. Nothing is unpickled on the way back.

In the metadata stands a SHA-256 of the file, so that a bit that changed on a disk or on the way between two machines is
not taken for something learned. It is that of the file's own bytes with 64 zeros in its place, which any language can
repeat. Files of earlier versions have none, or one under another name, over JSON as only Python wrote it; they are read
without this check.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, write_atomic
from torch import Tensor

#: The key of the header under which the JSON stands. One key only: the order of several would differ from run to run.
_KEY = "storyteller"
#: The key of the checksum in that JSON, and what stands there while it is taken.
_CHECKSUM = "file_sha256"
_ZEROS = "0" * 64

M = TypeVar("M", bound=msgspec.Struct)


class _Header(msgspec.Struct):
    """What is read of a file's header beside its tensors."""

    metadata: dict[str, str] = msgspec.field(name="__metadata__", default_factory=dict)


def package_versions(*extra: str) -> dict[str, str]:
    """The versions that made a checkpoint: Python, the trainer, torch, NumPy, and any further packages named."""
    packages = ("storyteller-trainer", "torch", "numpy", *extra)
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def save_tensors(path: StrPath, tensors: Mapping[str, Tensor], metadata: msgspec.Struct) -> None:
    """Writes the file atomically.

    Raises:
        StorytellerError: the folder cannot be written to.
    """
    write_tensor_bytes(path, tensor_bytes(tensors, metadata))


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: msgspec.Struct) -> bytearray:
    """What `write_tensor_bytes` is to write; the tensors may change afterwards."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = msgspec.json.encode(msgspec.to_builtins(metadata) | {_CHECKSUM: _ZEROS}).decode()
    return bytearray(save(plain, {_KEY: header}))


def write_tensor_bytes(path: StrPath, content: bytearray) -> None:
    """Fills the checksum in and writes the file; errors as in `save_tensors`."""
    key = rf"\"{_CHECKSUM}\":\"".encode()  # in a header of JSON, the JSON of the metadata is a string
    begin = content.index(key + _ZEROS.encode()) + len(key)
    content[begin : begin + len(_ZEROS)] = hashlib.sha256(content).hexdigest().encode()
    write_atomic(path, content)


def _checksum(content: bytes, noted: str) -> str:
    """SHA-256, hex, of a file's bytes with zeros where the header has this note."""
    begin = content.find(noted.encode(), 8, _end_of_header(content))
    digest = hashlib.sha256(content[:begin])
    digest.update(_ZEROS.encode())
    digest.update(memoryview(content)[begin + len(noted) :])
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
    found: dict[str, Tensor] = {}
    try:
        if tensors:  # read once: the file may be replaced at any time, and what is checked is what is used
            content = path.read_bytes()
            found, header = load(content), _header_of(content)
        else:
            with safe_open(path, framework="pt") as file:
                header = (file.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError, KeyError, msgspec.DecodeError) as error:  # KeyError: a type that torch has not
        raise StorytellerError(f"{path}: not a readable safetensors file ({error}); train again") from error
    if header is None:
        raise StorytellerError(f"{path}: a safetensors file, but not a checkpoint of this trainer (no metadata)")
    try:
        metadata = msgspec.json.decode(header, type=kind)
    except msgspec.DecodeError as error:
        raise StorytellerError(f"{path}: a checkpoint of another kind or version ({error}); train again") from error
    if tensors:
        _check_bytes(path, content, msgspec.json.decode(header).get(_CHECKSUM))
        _check_values(path, found)
    return found, metadata


def _header_of(content: bytes) -> str | None:
    """What `safe_open` gives of a file, of its content."""
    header = msgspec.json.decode(content[8 : _end_of_header(content)], type=_Header)
    return header.metadata.get(_KEY)


def _end_of_header(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def _check_bytes(path: Path, content: bytes, noted: object) -> None:
    if noted is not None and (found := _checksum(content, str(noted))) != noted:
        raise StorytellerError(
            f"{path}: damaged or changed since it was written: the SHA-256 of its content is {found}, and {noted} "
            "was noted; copy it again from where it is sound, or train again"
        )


def _check_values(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in sorted(tensors.items()):
        if faults := int((~tensor.isfinite()).sum()):
            raise StorytellerError(
                f"{path}: {faults} of {tensor.numel()} values of {name} are not finite numbers; train again, with a "
                "lower learning rate, or name another checkpoint"
            )
