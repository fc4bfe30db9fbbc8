"""Eight-bit weights for the character model: a quarter of the bytes, and the arithmetic of the float32 file.

A weight is stored as an integer of eight bits, and each input of a layer has a scale. The graph multiplies them out,
which a runtime does once, when it loads the file. Nothing is added up in eight or sixteen bits, so there is nothing
that one processor does otherwise than another, and a row's numbers do not depend on the rows beside it.

The scales belong to inputs, not to outputs as is usual: a network that was trained on standardised inputs has them
folded into its first layer, so the weights of one input are up to eighty times as large as those of another.

Which way a weight is rounded is GPTQ's choice (Frantar et al., 2022): input by input, and what rounding takes from
the outputs on rows of the training data is made up for by the weights that are not rounded yet. The bias, which stays
a float, comes last, as the weight of an input that is always 1.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.character.model.network import CharacterModel
from torch import Tensor, nn

#: Rows of training data that are looked at, evenly spaced. From 512 to 12,000 the result is the same but for chance.
ROWS = 2048
#: Added to the mean square of every input, as a share of their mean: without it inputs that always go together would
#: be free to move any amount of weight to each other (the paper's value).
DAMPING = 0.01
#: Integers go from -127 to 127, so that none is further from 0 than its opposite.
LARGEST = 127


class Rounded(NamedTuple):
    """A layer with rounded weights: `weight = integers * scales`."""

    #: [out, in] int8.
    integers: Tensor
    #: [in] float32.
    scales: Tensor
    #: [out] float32.
    bias: Tensor


def round_model(model: CharacterModel, rows: NDArray[np.float32] | None) -> dict[str, Rounded]:
    """Layer name (`trunk.0`) to its rounded weights.

    Args:
        rows: [n, inputs] features of training data, by which the rounding is chosen; None rounds each weight to the
            nearest integer.
    """
    rounded: dict[str, Rounded] = {}

    def walk(layers: nn.Module, name: str, inputs: Tensor | None) -> Tensor | None:
        """The outputs of layers with rounded weights, so that a layer makes up for those before it."""
        for index, layer in enumerate(layers.children()):
            if isinstance(layer, nn.Linear):
                found = rounded[f"{name}.{index}"] = round_layer(layer, inputs)
                layer = copy.deepcopy(layer)
                layer.weight.copy_(found.integers * found.scales)
                layer.bias.copy_(found.bias)
            if inputs is not None:
                inputs = cast(Tensor, layer(inputs))
        return inputs

    with torch.no_grad():
        trunk = walk(model.trunk, "trunk", None if rows is None else torch.from_numpy(rows))
        for head, layers in model.heads.items():
            walk(layers, f"heads.{head}", trunk)
    return rounded


def round_layer(layer: nn.Linear, inputs: Tensor | None) -> Rounded:
    """The rounded weights of one layer.

    Args:
        inputs: [n, in], on which the outputs should change least; None rounds to nearest.
    """
    weight, bias = layer.weight.double(), layer.bias.double()
    largest = weight.abs().amax(dim=0)
    scales = torch.where(largest > 0, largest / LARGEST, 1.0)
    if inputs is None:
        return Rounded((weight / scales).round().to(torch.int8), scales.float(), layer.bias.clone())
    width = weight.shape[1]
    extended = torch.cat([inputs.double(), torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)
    moments = extended.T @ extended / len(inputs)
    moments += DAMPING * moments.diagonal().mean() * torch.eye(width + 1, dtype=torch.float64)
    # The inputs that matter most come first, while all others can still make up for them; the bias is the last.
    order = torch.cat([moments.diagonal()[:width].argsort(descending=True, stable=True), torch.tensor([width])])
    factor = torch.linalg.cholesky(torch.linalg.inv(moments[order][:, order]), upper=True)
    rest = torch.cat([weight, bias[:, None]], dim=1)[:, order]
    integers = torch.empty_like(layer.weight, dtype=torch.int8)
    for position, column in enumerate(order[:width].tolist()):
        chosen = (rest[:, position] / scales[column]).round().clamp(-LARGEST, LARGEST)
        integers[:, column] = chosen.to(torch.int8)
        missing = (rest[:, position] - chosen * scales[column]) / factor[position, position]
        rest[:, position + 1 :] -= missing[:, None] * factor[position, position + 1 :]
    return Rounded(integers, scales.float(), rest[:, width].float())


def store(graph: onnx.ModelProto, rounded: Mapping[str, Rounded]) -> None:
    """Puts rounded weights in the place of a graph's own, in place; the names of tensors stay.

    Raises:
        StorytellerError: the graph does not hold a layer in the form that PyTorch's exporter is known to give it.
    """
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    layers = {
        node.input[1]: node
        for node in graph.graph.node
        if node.op_type == "Gemm" and any(entry.name == "transB" and entry.i == 1 for entry in node.attribute)
    }
    nodes = []
    for name, layer in rounded.items():
        weight, bias = f"{name}.weight", f"{name}.bias"
        if weight not in layers or not {weight, bias} <= stored.keys():
            raise StorytellerError(
                f"PyTorch {torch.__version__} exported the layer {name} in a form that cannot be rounded: no Gemm with "
                f"the transposed weights {weight}; export without --int8, or with the locked versions"
            )
        graph.graph.initializer.remove(stored[weight])
        graph.graph.initializer.extend(
            [
                numpy_helper.from_array(layer.integers.numpy(), f"{weight}.int8"),
                numpy_helper.from_array(layer.scales.numpy(), f"{weight}.scale"),
            ]
        )
        stored[bias].CopyFrom(numpy_helper.from_array(layer.bias.numpy(), bias))
        nodes += [
            helper.make_node("Cast", [f"{weight}.int8"], [f"{weight}.float"], f"{weight}.cast", to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{weight}.float", f"{weight}.scale"], [weight], f"{weight}.scaled"),
        ]
    for position, node in enumerate(nodes):
        graph.graph.node.insert(position, node)
