"""How long a sentence takes when it is padded to 128 tokens as the engine does, and when it is not."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import numpy as np
from storyteller_trainer.events.data.encoding import Encoded

from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding

#: Runs of each padding before the clock counts: the runtime sets up its memory in the first ones.
WARM_UP = 5


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds a sentence."""

    p50_ms: float
    p99_ms: float
    sentences_per_second: float


class Latency(msgspec.Struct, frozen=True):
    """Time in ONNX Runtime for all models of the folder, one sentence a call; tokenising and reading not included."""

    #: That were timed, evenly spaced over all sets.
    sentences: int
    #: The median length of a sentence, in tokens.
    tokens: float
    threads: int
    fixed: Timing
    dynamic: Timing
    #: The median of `fixed` over that of `dynamic`.
    ratio: float


def measure_latency(models: EngineEvents, items: Sequence[Encoded], count: int) -> Latency:
    """Times both paddings in turn on each sentence, so that what else the machine does meets both alike.

    Args:
        items: at least one.
        count: at most this many of them are timed, evenly spaced.
    """
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    timed = [items[index] for index in chosen]
    for item in timed[:WARM_UP]:
        for padding in Padding:
            models.run(item, padding)
    seconds = {padding: np.array([0.0] * len(timed)) for padding in Padding}
    for index, item in enumerate(timed):
        for padding in Padding:
            start = time.perf_counter()
            models.run(item, padding)
            seconds[padding][index] = time.perf_counter() - start
    fixed, dynamic = (_timing(seconds[padding]) for padding in (Padding.FIXED, Padding.DYNAMIC))
    return Latency(
        sentences=len(timed),
        tokens=float(np.median([len(item.ids) for item in timed])),
        threads=models.threads,
        fixed=fixed,
        dynamic=dynamic,
        ratio=fixed.p50_ms / dynamic.p50_ms,
    )


def _timing(seconds: np.ndarray) -> Timing:
    p50, p99 = np.percentile(seconds, (50, 99)) * 1000
    return Timing(float(p50), float(p99), float(len(seconds) / seconds.sum()))
