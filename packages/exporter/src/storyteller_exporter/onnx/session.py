"""ONNX files started as the engine does it."""

from __future__ import annotations

import onnxruntime
from storyteller_schema.common.files import StrPath


def start(path: StrPath, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session as the engine opens it, on the CPU. Raises ONNX Runtime's own exceptions.

    Args:
        threads: inside an operator; the engine uses one.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal only: what goes wrong is raised as well, and said once
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
