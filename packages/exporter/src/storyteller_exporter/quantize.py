"""Eight-bit weights: the same network in about a quarter of the bytes."""

from __future__ import annotations

import tempfile
from enum import Enum
from pathlib import Path

import onnx
from onnx import helper
from storyteller_schema.errors import StorytellerError

from storyteller_exporter.onnx_file import clean
from storyteller_exporter.torch_export import quiet


class Weights(Enum):
    """How weights are rounded. Both are right on every processor.

    Full-range signed weights, the usual choice, are not: processors without VNNI (before about 2020) add pairs of
    their products in 16 bits, which overflow. The file would be right here and silently wrong on a player's machine.
    """

    #: Unsigned, all eight bits, with a zero point for each channel. The most exact; in large layers a third as fast.
    UNSIGNED = "unsigned"
    #: Signed, seven of the eight bits: the products of a pair fit. The fastest.
    SEVEN_BITS = "seven bits"


def quantise(model: onnx.ModelProto, weights: Weights) -> onnx.ModelProto:
    """Dynamic quantisation of every matrix product, with one scale of the weights for each output channel.

    Activations are rounded to eight bits while the model runs, with one scale for the whole batch: a row's outputs
    depend a little on the rows beside it. The engine sends one row at a time, so that is how to judge the result.
    Floats that are inputs of the model are rounded twice (`_refine_inputs`).

    Raises:
        StorytellerError: ONNX Runtime's quantiser cannot take the model.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = onnx.ModelProto()
    source.CopyFrom(model)
    clean(source)  # its inferred shapes make the quantiser fail on a Gemm
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        try:
            with quiet():
                quantize_dynamic(
                    source,
                    target,
                    weight_type=QuantType.QUInt8 if weights is Weights.UNSIGNED else QuantType.QInt8,
                    reduce_range=weights is Weights.SEVEN_BITS,
                    per_channel=True,
                )
        except Exception as error:  # the library raises plain exceptions
            raise StorytellerError(f"ONNX Runtime could not quantise the model: {error}") from error
        quantised = onnx.load(str(target))
    _refine_inputs(quantised)
    return quantised


def _refine_inputs(model: onnx.ModelProto) -> None:
    """Gives the first layer what rounding took from its inputs: W x = W r(x) + W r(x - r(x)), with the same weights.

    What a network computes inside it has learned to compute roughly, but an input may hold a comparison that eight
    bits cannot tell, such as which of two nearly equal intensities is the higher one.
    """
    graph = model.graph
    inputs = {value.name for value in graph.input}
    for rounding in [node for node in graph.node if node.op_type == "DynamicQuantizeLinear"]:
        values = rounding.input[0]
        if values not in inputs:
            continue
        names = {name: f"{name}.rest" for name in rounding.output}
        twins = [
            helper.make_node("DequantizeLinear", rounding.output, [f"{values}.rounded"], f"{values}.rounded"),
            helper.make_node("Sub", [values, f"{values}.rounded"], [f"{values}.rest"], f"{values}.difference"),
            helper.make_node("DynamicQuantizeLinear", [f"{values}.rest"], list(names.values()), f"{values}.rest"),
        ]
        # The nodes of the layer come in the order of the graph: its integer product, the scales, and their product,
        # the first that has no part in rounding any more.
        for node in list(graph.node):
            if not set(node.input) & names.keys():
                continue
            twin = onnx.NodeProto()
            twin.CopyFrom(node)
            twin.name = f"{node.name}.rest"
            twin.input[:] = [names.get(name, name) for name in node.input]
            twin.output[:] = [f"{name}.rest" for name in node.output]
            twins.append(twin)
            if node.op_type == "Mul" and not set(node.input) & set(rounding.output):
                whole = node.output[0]
                node.output[0] = f"{whole}.rounded"
                twins.append(helper.make_node("Add", [node.output[0], twin.output[0]], [whole], f"{node.name}.whole"))
                break
            names |= dict(zip(node.output, twin.output, strict=True))
        position = list(graph.node).index(node) + 1
        for offset, twin in enumerate(twins):
            graph.node.insert(position + offset, twin)
