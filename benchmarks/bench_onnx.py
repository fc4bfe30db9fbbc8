"""How long the engine would wait for one prediction: ONNX Runtime, batch 1, one thread."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import HEADS


def latency(model: Path, predictions: int) -> dict[str, float]:
    """Median and 99th percentile in microseconds, after a tenth as many predictions to warm up."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    heads = list(HEADS)
    inputs = np.random.default_rng(0).random((64, 1, FEATURES.size), np.float32)
    times = []
    for index in range(predictions + predictions // 10):
        given = {"features": inputs[index % len(inputs)]}
        start = time.perf_counter()
        session.run(heads, given)
        times.append(time.perf_counter() - start)
    p50, p99 = np.quantile(np.array(times[-predictions:]) * 1e6, [0.5, 0.99])
    return {"p50_us": float(p50), "p99_us": float(p99)}
