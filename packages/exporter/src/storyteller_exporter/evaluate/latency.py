"""How long a sentence takes when it is padded to 128 tokens as the engine does, and when it is not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np
from storyteller_trainer.events.data.encoding import Encoded

from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding
from storyteller_exporter.evaluate.timing import Timing, measure


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
    calls = {padding: partial(_call, models, padding) for padding in Padding}
    times = measure(calls, timed)
    fixed, dynamic = (times[padding] for padding in (Padding.FIXED, Padding.DYNAMIC))
    return Latency(
        sentences=len(timed),
        tokens=float(np.median([len(item.ids) for item in timed])),
        threads=models.threads,
        fixed=fixed,
        dynamic=dynamic,
        ratio=fixed.p50_ms / dynamic.p50_ms,
    )


def _call(models: EngineEvents, padding: Padding, item: Encoded) -> object:
    return models.run(item, padding)
