"""What the two processes say to each other: plain data as MessagePack, each message behind its length. Nothing that is
read is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

#: Bytes before a message, little-endian: how long it is.
HEAD = 8
#: The longest answer, in bytes. The outputs of ten thousand rows are 2 MB, of a thousand sentences 8.
LONGEST = 256 << 20
#: No count is larger: a file can claim any number of dimensions of any size.
MANY = 1 << 62
#: What the process may write into any file, its messages on stderr included, in bytes.
WRITTEN = 1 << 20
#: The kinds of numbers that go over: `np.dtype.kind` of bool, int, unsigned and float.
NUMBERS = "biuf"


class Array(msgspec.Struct, array_like=True):
    """A NumPy array: its dtype by name, its shape, its bytes in C order."""

    dtype: str
    shape: list[int]
    data: bytes


class Read(msgspec.Struct, tag=True):
    """What does the file say about itself? Answered by `GraphFacts`."""

    path: str


class Validate(msgspec.Struct, tag=True):
    """Does ONNX's full check pass it? Answered by `Done`."""

    path: str


class Load(msgspec.Struct, tag=True):
    """Does ONNX Runtime start it? It is kept for `Run`. Answered by `Done`."""

    path: str


class Run(msgspec.Struct, tag=True):
    """What does the loaded file give for these inputs, one call each? Answered by `Outputs`."""

    #: The outputs that are asked for.
    names: list[str]
    feeds: list[dict[str, Array]]


class Tokenize(msgspec.Struct, tag=True):
    """Does the tokenizers library take this tokenizer.json, and these texts with it? Answered by `Done`."""

    path: str
    texts: list[str]


class DeclaredTensor(msgspec.Struct):
    """An input or output as the file declares it."""

    name: str
    #: `unknown` for what is no tensor.
    dtype: str
    #: A size, or a name where the size is free, or `?`.
    axes: list[str | int]


class GraphFacts(msgspec.Struct, tag=True):
    """What a file says about itself, read without running it."""

    ir_version: int
    #: 0 when it names none.
    opset: int
    #: How many numbers are stored in it; at most `MANY`.
    numbers: int
    inputs: list[DeclaredTensor]
    outputs: list[DeclaredTensor]
    #: Operators that are not standard ones.
    foreign: list[str]
    #: The other files in which its weights lie.
    external: list[str]
    metadata: dict[str, str]
    #: Of what its outputs are computed from: how many numbers are stored in eight bits, and in all.
    eight_bits: int
    used: int
    #: Activations are rounded while it runs, with one scale for the whole batch: rows depend on the rows beside them.
    rounds_batches: bool


class Done(msgspec.Struct, tag=True):
    """It was done."""


class Outputs(msgspec.Struct, tag=True):
    """For each of the inputs, the outputs by name."""

    outputs: list[dict[str, Array]]


class Refused(msgspec.Struct, tag=True):
    """It cannot be done, and why, in one line."""

    reason: str
    #: Because of the limit of memory, as far as can be told.
    memory: bool = False


Request: TypeAlias = Read | Validate | Load | Run | Tokenize
Answer: TypeAlias = GraphFacts | Done | Outputs | Refused


def packed(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """Arrays as they go over."""
    return {name: Array(array.dtype.str, list(array.shape), array.tobytes()) for name, array in arrays.items()}


def unpacked(arrays: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """
    Raises:
        ValueError: what came is no array of numbers.
    """
    found = {}
    for name, array in arrays.items():
        dtype = np.dtype(array.dtype)
        if dtype.kind not in NUMBERS:
            raise ValueError(f"{name} holds {dtype}, no numbers")
        found[name] = np.frombuffer(array.data, dtype).reshape(array.shape)
    return found


def framed(message: Request | Answer) -> bytes:
    """A message as it is written."""
    content = msgspec.msgpack.encode(message)
    return len(content).to_bytes(HEAD, "little") + content
