"""Editing a model in a test, and reading what the verification says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from storyteller_exporter.checks.verification_report import Status, Verification

Edited = Callable[[Callable[[onnx.ModelProto], object]], Path]


def status(report: Verification, name: str) -> Status:
    return next(check.status for check in report.checks if check.name == name)


def detail(report: Verification, name: str) -> str:
    return next(check.detail for check in report.checks if check.name == name)


def failures(report: Verification) -> set[str]:
    return {check.name for check in report.checks if check.status is Status.FAILED}


def initializer(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    return found


def change(model: onnx.ModelProto, name: str, function: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = initializer(model, name)
    changed = function(numpy_helper.to_array(tensor).copy())
    tensor.CopyFrom(numpy_helper.from_array(changed.astype(np.float32), name))
