"""One run by several processes (started by launch.py, or torchrun): every process takes its part of each batch.

Every process reads the same batches and draws the same random numbers for all of a batch, then goes on with its own
rows; the gradients are summed up over the processes. So the number of processes changes how sums are rounded, and
nothing else. All of it is also right for one process without a process group, which is the usual case.

The first process (the leader, rank 0) alone reads and writes the run folder, validates and shows how it goes. An error
that one process meets is told to all; the first process of each machine prints it (launch.py).

What they tell each other are numbers and MessagePack of a declared type. PyTorch's collectives for Python objects are
not used: they unpickle what the network brings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec
import torch
import torch.distributed as dist
from storyteller_schema.common.errors import StorytellerError
from torch import Tensor

from storyteller_trainer.runs.launch import STORE, is_first_here, is_one_of_several

#: How long processes wait for each other: one of them may have to parse the data or to validate meanwhile. A process
#: that dies is noticed at once, by its closed connections and by who started it.
TIMEOUT = timedelta(hours=1)

T = TypeVar("T")


class Share(NamedTuple):
    """A part of a batch that is worked on in one go."""

    #: Which rows; at least one, even where there are fewer rows than parts.
    rows: slice
    #: What a mean over these rows counts in the mean over the whole batch; 0 for a row that another part counts.
    weight: float


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def size_here() -> int:
    """The number of processes on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if is_one_of_several() else 1


def is_leader() -> bool:
    """Whether this is the process that writes, validates and shows how it goes."""
    return rank() == 0


def describe(line: str) -> str:
    """A line about this process, with the number of processes where there are several."""
    return f"{line}, {size()} processes" if size() > 1 else line


def shares(total: int, parts: int = 1) -> list[Share]:
    """The shares of this process in a batch of `total` rows, one after the other.

    Args:
        parts: into how many the batch is to be divided; rounded up, so that every process has as many as the others.
    """
    own = -(-parts // size())
    first = rank() * own
    found = []
    for number in range(first, first + own):
        start, stop = (total * bound // (own * size()) for bound in (number, number + 1))
        rows = slice(start, stop) if start < stop else slice(0, 1)
        found.append(Share(rows, (stop - start) / total))
    return found


def own_device(device: torch.device) -> torch.device:
    """The device of this process, on a machine whose processes were all told to train on `device`.

    Raises:
        StorytellerError: they cannot all have one of this kind.
    """
    here = size_here()
    if here == 1 or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise StorytellerError(f"several processes cannot train on {device.type}; add --device cpu")
    if device.index is not None:
        raise StorytellerError(f"{here} processes cannot share {device}; say cuda, and each takes a device of its own")
    found = torch.cuda.device_count()
    if here > found:
        raise StorytellerError(
            f"{here} processes need a CUDA device each, and this machine has {found}; start fewer, or add --device cpu"
        )
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Joins the processes of the run, if there are several; to be left by all of them together."""
    if not is_one_of_several() or os.environ["WORLD_SIZE"] == "1":
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Messages are tensors on the CPU, whatever the device.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    number, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    # Of torchrun's processes the environment says where the store is.
    store = dist.FileStore(os.environ[STORE], count) if STORE in os.environ else None  # type: ignore[attr-defined]
    with _connected():
        dist.init_process_group(backend, timeout=TIMEOUT, store=store, rank=number, world_size=count)
    try:
        yield
    finally:
        dist.destroy_process_group()


@torch.no_grad()
def all_reduce(tensors: Sequence[Tensor]) -> None:
    """Replaces every tensor by its sum over the processes, in one exchange."""
    if size() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    with _connected():
        dist.all_reduce(flat)
    for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


@torch.no_grad()
def broadcast(tensors: Iterable[Tensor]) -> None:
    """Replaces every tensor by the leader's."""
    if size() == 1:
        return
    for tensor in tensors:
        with _connected():
            dist.broadcast(tensor, src=0)


def all_gather(message: bytes) -> list[bytes]:
    """What every process has to say, by rank."""
    if size() == 1:
        return [message]
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(size())]
    with _connected():
        dist.all_gather(lengths, torch.tensor([len(message)]))
        longest = max(int(length) for length in lengths)
        padded = torch.tensor(list(message.ljust(longest, b"\0")), dtype=torch.uint8)
        told = [torch.empty(longest, dtype=torch.uint8) for _ in range(size())]
        dist.all_gather(told, padded)
    return [bytes(each[: int(length)].tolist()) for each, length in zip(told, lengths, strict=True)]


@contextmanager
def raise_everywhere() -> Iterator[None]:
    """When the body fails with a StorytellerError in one process, it fails with the same in all."""
    if size() == 1:
        yield
        return
    complaint = ""
    try:
        yield
    except StorytellerError as error:
        complaint = f"process {rank()}: {error}" if rank() else str(error)
    for each in all_gather(complaint.encode()):
        if each:
            raise StorytellerError(each.decode())


def on_leader(work: Callable[[], object]) -> None:
    """Has the leader alone do some work; a StorytellerError of it is raised in every process."""
    with raise_everywhere():
        if is_leader():
            work()


def by_leader(work: Callable[[], T], kind: Any) -> T:
    """What the leader's work gives, in every process.

    Args:
        work: called by the leader alone; kind: the type of its result, which travels as MessagePack.
    """
    if size() == 1:
        return work()
    result = b""
    with raise_everywhere():
        if is_leader():
            result = msgspec.msgpack.encode(work())
    received: T = msgspec.msgpack.decode(all_gather(result)[0], type=kind)
    return received


def one_before_the_others(work: Callable[[], T]) -> T:
    """Does the work in the first process of each machine, then in the others, which find what the first has cached."""
    results: list[T] = []
    for turn in (True, False):
        with raise_everywhere():
            if is_first_here() is turn:
                results.append(work())
    return results[0]


def stop_together(check: Callable[[], None]) -> None:
    """Calls `check`; the KeyboardInterrupt that it raises in one process is raised in all."""
    if size() == 1:
        check()
        return
    asked = torch.zeros(1)
    try:
        check()
    except KeyboardInterrupt:
        asked += 1
    with _connected():
        dist.all_reduce(asked)
    if asked:
        raise KeyboardInterrupt


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # As in "[/path/pair.cc:545] Connection closed by peer [127.0.0.1]:2441. This is typically caused by ..."
        reason = re.sub(r"^\[\S+\] ", "", str(error)).split(". ")[0]
        raise StorytellerError(
            f"another process of the run has ended or cannot be reached ({reason}); "
            f"complete epochs are saved, and --resume goes on from there"
        ) from error
