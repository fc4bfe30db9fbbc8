"""How long single calls of a model take, and on which machine that was. Needs none of the event models' libraries."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.runs.cpus import processor

from storyteller_exporter.onnx.session import start

#: Calls of each kind before the clock counts: the runtime sets up its memory in the first ones.
WARM_UP = 5
#: Predictions of the character model that are timed: of 0.03 ms each, as measured on two shared cores.
PREDICTIONS = 1000

K = TypeVar("K")
Item = TypeVar("Item")


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds a call."""

    p50_ms: float
    p99_ms: float
    sentences_per_second: float


def measure(calls: Mapping[K, Callable[[Item], object]], items: Sequence[Item]) -> dict[K, Timing]:
    """Times several calls in turn on each item, so that what else the machine does meets all alike.

    Args:
        items: at least one.
    """
    for item in items[:WARM_UP]:
        for call in calls.values():
            call(item)
    seconds = {name: np.zeros(len(items)) for name in calls}
    for index, item in enumerate(items):
        for name, call in calls.items():
            began = time.perf_counter()
            call(item)
            seconds[name][index] = time.perf_counter() - began
    return {name: _timing(spent) for name, spent in seconds.items()}


def time_character_file(file: Path, features: NDArray[np.float32]) -> Timing:
    """One row a call, on one thread, as the engine asks.

    Args:
        file: that has been loaded in the sandbox before.
        features: [n, inputs], repeated until PREDICTIONS rows were asked for; at least one.
    """
    session = start(file)
    rows = [np.ascontiguousarray(features[index % len(features)][None]) for index in range(PREDICTIONS)]
    return measure({file: partial(_predict, session)}, rows)[file]


def _predict(session: Any, row: NDArray[np.float32]) -> object:
    return session.run(list(HEADS), {"features": row})


def machine() -> str:
    """On which machine this is, for a line beside figures."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    here = f"{platform.node()} ({processor()}, {cpus} CPUs, {platform.system()} {platform.machine()})"
    return f"ONNX Runtime {version('onnxruntime')} on {here}"


def _timing(seconds: NDArray[np.float64]) -> Timing:
    p50, p99 = np.percentile(seconds, (50, 99)) * 1000
    return Timing(float(p50), float(p99), float(len(seconds) / seconds.sum()))
