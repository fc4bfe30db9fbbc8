"""What rounding the character model's weights to eight bits keeps, and that no processor can do it otherwise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from storyteller_exporter.character.cases import random_features
from storyteller_exporter.character.rounding import Rounded, round_layer, round_model, store
from storyteller_exporter.onnx.file import operators
from storyteller_exporter.onnx.session import start
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.model.network import CharacterModel
from torch import Tensor, nn


def layer(weights: list[list[float]], bias: list[float]) -> nn.Linear:
    made = nn.Linear(len(weights[0]), len(weights))
    made.weight.data, made.bias.data = torch.tensor(weights), torch.tensor(bias)
    return made


def weights_of(rounded: Rounded) -> Tensor:
    return rounded.integers * rounded.scales


def with_weights(model: CharacterModel, rounded: dict[str, Rounded]) -> CharacterModel:
    changed = copy.deepcopy(model)
    for name, found in rounded.items():
        changed.get_submodule(name).load_state_dict({"weight": weights_of(found), "bias": found.bias})
    return changed


@torch.no_grad()
def test_each_input_has_a_scale_of_its_own() -> None:
    rounded = round_layer(layer([[127.0, 0.0127, 0.0], [-1.4, 0.01, 0.0]], [0.5, -2.0]), None)
    assert rounded.integers.tolist() == [[127, 127, 0], [-1, 100, 0]]
    torch.testing.assert_close(rounded.scales, torch.tensor([1.0, 0.0001, 1.0]))
    assert rounded.bias.tolist() == [0.5, -2.0]


@torch.no_grad()
def test_no_weight_leaves_the_range_however_much_it_makes_up_for() -> None:
    torch.manual_seed(0)
    made = nn.Linear(40, 8)
    inputs = torch.rand(200, 1) + 1e-4 * torch.rand(200, 40)  # all inputs nearly the same
    rounded = round_layer(made, inputs)
    assert int(rounded.integers.abs().max()) <= 127


@torch.no_grad()
def test_rounding_errors_make_up_for_each_other_where_inputs_go_together() -> None:
    torch.manual_seed(1)
    made = nn.Linear(60, 20)
    made.weight.data *= torch.logspace(-1.5, 0, 60)  # some inputs matter little, as after standardised training
    hidden = torch.randn(500, 10)
    inputs = torch.relu(hidden @ torch.randn(10, 60) + 0.1 * torch.randn(500, 60))
    exact = made(inputs)

    def error(rounded: Rounded) -> float:
        return float((inputs @ weights_of(rounded).T + rounded.bias - exact).square().mean())

    assert error(round_layer(made, inputs)) < 0.2 * error(round_layer(made, None))


@torch.no_grad()
def test_the_bias_takes_up_what_is_always_missing() -> None:
    # The second weight is 0.4 of a step too large, for an input that is always 3.
    made = layer([[127.0, 0.0], [12.4, 0.0]], [0.0, 1.0])
    rounded = round_layer(made, torch.tensor([[3.0, 0.0]] * 50))
    assert rounded.integers[:, 0].tolist() == [127, 12]
    # All but the damping's share of what is missing, 0.4 x 3.
    assert float(rounded.bias[1]) == pytest.approx(1.0 + 0.4 * 3, rel=0.05)


def test_the_graph_gives_the_numbers_of_the_rounded_weights(run: Path, exported: Path) -> None:
    model = load_checkpoint(run).model
    features = random_features(50, np.random.default_rng(3))
    rounded = round_model(model, features)
    graph = onnx.load(str(exported))
    store(graph, rounded)
    onnx.checker.check_model(graph, full_check=True)
    path = Path("rounded.onnx")
    onnx.save(graph, str(path))
    values = start(path).run(list(HEADS), {"features": features})
    with torch.no_grad():
        expected = with_weights(model, rounded)(torch.from_numpy(features))
        exact = model(torch.from_numpy(features))
    for head, found in zip(HEADS, values, strict=True):
        np.testing.assert_allclose(found, expected[head].numpy(), atol=1e-6)
        assert not np.array_equal(found, exact[head].numpy())
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    assert len(rounded) == 11
    for name in rounded:
        assert stored[f"{name}.weight.int8"].data_type == TensorProto.INT8
        assert f"{name}.weight" not in stored


def test_nothing_is_computed_in_integers(exported_int8: Path) -> None:
    """Products of eight bits that are added in sixteen overflow on some processors and not on others."""
    assert operators(onnx.load(str(exported_int8))) == {("", "Cast"), ("", "Mul"), ("", "Gemm"), ("", "Relu")}


def test_the_same_rows_give_the_same_integers(run: Path) -> None:
    model = load_checkpoint(run).model
    features = random_features(100, np.random.default_rng(4))
    first, second = round_model(model, features), round_model(model, features)
    assert all(torch.equal(first[name].integers, second[name].integers) for name in first)
    assert any(
        not torch.equal(first[name].integers, found.integers) for name, found in round_model(model, None).items()
    )


def _not_transposed(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Gemm")
    next(entry for entry in node.attribute if entry.name == "transB").i = 0


def _no_bias(model: onnx.ModelProto) -> None:
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "trunk.0.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias), "another name"))


@pytest.mark.parametrize("edit", [_not_transposed, _no_bias])
def test_a_graph_of_another_form_is_refused(run: Path, exported: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    graph = onnx.load(str(exported))
    edit(graph)
    with pytest.raises(StorytellerError, match=r"trunk\.0 in a form that cannot be rounded"):
        store(graph, round_model(load_checkpoint(run).model, None))
