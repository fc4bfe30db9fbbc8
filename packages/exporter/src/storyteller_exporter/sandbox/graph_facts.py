"""What an ONNX file says about itself, whoever made it: read, and nothing of it is run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import onnx

from storyteller_exporter.onnx.file import (
    STANDARD_DOMAINS,
    external_files,
    metadata,
    operators,
    opset,
    read_model,
    tensors,
)
from storyteller_exporter.sandbox.messages import MANY, DeclaredTensor, GraphFacts

#: Types of the tensors in which rounded weights are stored.
EIGHT_BITS = frozenset({onnx.TensorProto.INT8, onnx.TensorProto.UINT8})
#: The operator that rounds activations while a model runs, with one scale for the whole batch.
ROUNDS_BATCHES = "DynamicQuantizeLinear"
#: Of a note: characters that are kept. Ours have some thousand.
LONGEST_NOTE = 100_000


def facts(path: str) -> GraphFacts:
    """
    Raises:
        StorytellerError: it cannot be read.
    """
    model = read_model(path)
    graph = model.graph
    nodes = used_nodes(model)
    needed = {name for node in nodes for name in _needs(node)}
    used = [tensor for tensor in graph.initializer if tensor.name in needed]
    used += [tensor for node in nodes for tensor in _inside(node)]
    stored = {tensor.name for tensor in graph.initializer}  # old exporters list the weights as inputs too
    return GraphFacts(
        ir_version=model.ir_version,
        opset=opset(model),
        numbers=_count(tensors(graph)),
        inputs=[_declared(value) for value in graph.input if value.name not in stored],
        outputs=[_declared(value) for value in graph.output],
        foreign=sorted(f"{domain}.{name}" for domain, name in operators(model) if domain not in STANDARD_DOMAINS),
        external=external_files(model),
        metadata={key: value[:LONGEST_NOTE] for key, value in metadata(model).items()},
        eight_bits=_count(tensor for tensor in used if tensor.data_type in EIGHT_BITS),
        used=_count(used),
        rounds_batches=any(node.op_type == ROUNDS_BATCHES for node in nodes),
    )


def used_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes from which the outputs of the graph are computed, those inside of them and of its functions included.

    What stands in a file and plays no part says nothing about the numbers that the file gives.
    """
    makers = {name: node for node in model.graph.node for name in node.output if name}
    functions = {(function.domain, function.name): function for function in model.functions}
    found: dict[int, onnx.NodeProto] = {}
    called: set[tuple[str, str]] = set()
    waiting = [makers[value.name] for value in model.graph.output if value.name in makers]
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        waiting += [makers[name] for name in _needs(node) if name in makers]
        waiting += [inner for graph in _graphs(node) for inner in graph.node]
        name = (node.domain, node.op_type)
        if name in functions and name not in called:
            called.add(name)
            waiting += functions[name].node
    return list(found.values())


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _needs(node: onnx.NodeProto) -> Iterator[str]:
    """The names that a node reads, those that its inner graphs take from around it included."""
    yield from node.input
    for graph in _graphs(node):
        yield from (value.name for value in graph.output)
        for inner in graph.node:
            yield from _needs(inner)


def _inside(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    """The tensors that stand in a node; those in the nodes of its inner graphs are found there."""
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
    for graph in _graphs(node):
        yield from graph.initializer


def _count(found: Iterable[onnx.TensorProto]) -> int:
    return min(MANY, sum(_elements(tensor) for tensor in found))


def _elements(tensor: onnx.TensorProto) -> int:
    """How many numbers a tensor claims to hold. The product is taken in floats: it may have any number of digits."""
    product = math.prod(map(float, tensor.dims))
    return int(min(max(product, 0.0), float(MANY))) if product == product else MANY


def _declared(value: onnx.ValueInfoProto) -> DeclaredTensor:
    kind = value.type.tensor_type
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    except (KeyError, ValueError):
        dtype = "unknown"
    axes = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in kind.shape.dim]
    return DeclaredTensor(value.name, dtype, axes)
