"""What rounding to eight bits keeps."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from storyteller_exporter.quantize import Weights, quantise


def one_layer(weights: list[float]) -> onnx.ModelProto:
    """y = features @ weights, one output."""
    matrix = np.array(weights, np.float32).reshape(-1, 1)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "weights"], ["y"], "layer")],
        "one layer",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(matrix, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize("weights", list(Weights))
@pytest.mark.parametrize("difference", [0.003, 0.001, -0.0004])
def test_inputs_closer_than_eight_bits_can_tell_are_told_apart(weights: Weights, difference: float) -> None:
    """With a value of -1 beside them, eight bits have steps of 0.006 for all."""
    model = quantise(one_layer([1.0, -1.0, 0.0]), weights)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    features = np.array([[0.5 + difference, 0.5, -1.0]], np.float32)
    (found,) = session.run(None, {"features": features})
    assert found.item() == pytest.approx(difference, rel=0.1, abs=2e-5)
