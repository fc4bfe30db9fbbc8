"""Which device to train on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from storyteller_schema.common.errors import StorytellerError

#: The choice that takes the first of MPS, CUDA and CPU that is there.
AUTO = "auto"


def available_devices() -> list[str]:
    """The kinds of devices this machine has, in the order of preference."""
    found = ["mps"] if torch.backends.mps.is_available() else []
    found += ["cuda"] if torch.cuda.is_available() else []
    return [*found, "cpu"]


def choose_device(name: str = AUTO) -> torch.device:
    """The device to train on.

    Args:
        name: `auto`, or a device as torch writes it: `mps`, `cuda`, `cuda:1`, `cpu`.

    Raises:
        StorytellerError: this machine has no such device.
    """
    found = available_devices()
    if name == AUTO:
        return torch.device(found[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in found:
        raise StorytellerError(f"device {name!r} is not available; this machine has {', '.join(found)}")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise StorytellerError(f"device {name!r} is not available; CUDA devices are numbered from 0 to {count - 1}")
    return device


def describe_device(device: torch.device) -> str:
    """One line for the user: what is trained on."""
    if device.type == "cuda":
        return f"Training on {device} ({torch.cuda.get_device_name(device)})"
    return f"Training on {device}"


def waits_to_be_asked(device: torch.device) -> bool:
    """Whether the host has to wait, when it asks for a value, until the device has done all it was given before.

    A step of a small network takes a device less time than the host needs to give it the next one, so the loop asks for
    nothing before the end of an epoch there.
    """
    return device.type != "cpu"


def has_bfloat16(device: torch.device) -> bool:
    """Whether a processor has instructions for products in bfloat16 (AVX-512 BF16); of a GPU it is not asked."""
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16"))


@contextmanager
def subnormals_as_zero() -> Iterator[None]:
    """Makes arithmetic on the CPU take numbers below 1.2e-38, float32's smallest normal one, for 0 (also a decorator).

    What an optimizer remembers of a gradient that has become 0 for good shrinks at every step, and after some thousand
    steps it is as small as that. x86 cores take more than a hundred times as long for a product of such numbers.

    Threads inherit this when they are made, so it has to come before PyTorch's first computation in the process;
    otherwise it holds for the calling thread alone. Afterwards the calling thread counts as usual.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
