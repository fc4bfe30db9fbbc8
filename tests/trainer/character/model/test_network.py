"""The network is the reference architecture, and nothing else."""

from __future__ import annotations

import pytest
import torch
from storyteller_schema.contract.batch import decode_outputs_batch
from storyteller_schema.contract.predictions import HEADS, decode_outputs
from storyteller_trainer.character.model.network import PARAMETERS, CharacterModel
from torch import nn


def layers(module: nn.Module) -> list[str]:
    """`Linear 453-384`, `ReLU`, ... in order."""
    return [
        f"Linear {layer.in_features}-{layer.out_features}" if isinstance(layer, nn.Linear) else type(layer).__name__
        for layer in module.modules()
        if not list(layer.children())
    ]


def test_the_architecture() -> None:
    model = CharacterModel()
    assert layers(model.trunk) == [
        *("Linear 453-384", "ReLU", "Dropout"),
        *("Linear 384-256", "ReLU", "Dropout"),
        *("Linear 256-256", "ReLU"),
    ]
    assert {name: layers(head) for name, head in model.heads.items()} == {
        "action": ["Linear 256-64", "ReLU", "Linear 64-14"],
        "speech": ["Linear 256-64", "ReLU", "Linear 64-6"],
        "thought": ["Linear 256-64", "ReLU", "Linear 64-6"],
        "emotion": ["Linear 256-64", "ReLU", "Linear 64-16"],
    }


def test_the_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in CharacterModel().parameters()) == PARAMETERS == 407_210


def test_the_dropout_is_what_was_asked_for() -> None:
    rates = [layer.p for layer in CharacterModel(0.1).trunk if isinstance(layer, nn.Dropout)]
    assert rates == [0.1, 0.1]


def test_four_heads_of_raw_outputs() -> None:
    outputs = CharacterModel()(torch.full((3, 453), 100.0))
    assert {name: tuple(raw.shape) for name, raw in outputs.items()} == {n: (3, size) for n, size in HEADS.items()}
    assert list(outputs) == list(HEADS)
    assert all(raw.abs().max() > 1 and (raw < 0).any() for raw in outputs.values()), "nothing is squashed"


@pytest.mark.parametrize("shape", [(453,), (1, 453)])
def test_what_the_network_returns_is_decoded_as_it_is(shape: tuple[int, ...]) -> None:
    outputs = CharacterModel().eval()(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
    assert all(raw.requires_grad for raw in outputs.values())
    vector = torch.cat(list(outputs.values()), dim=-1)
    expected = decode_outputs(vector.detach().flatten().numpy())
    assert decode_outputs(outputs) == decode_outputs(vector) == expected
    half = {name: raw.bfloat16() for name, raw in outputs.items()}
    assert decode_outputs(half) == decode_outputs({name: raw.float() for name, raw in half.items()})


def test_a_batch_of_what_the_network_returns_is_decoded_row_by_row() -> None:
    outputs = CharacterModel().eval()(torch.rand(3, 453))
    columns = decode_outputs_batch(outputs)
    for row in range(3):
        one = decode_outputs({name: raw[row] for name, raw in outputs.items()})
        assert columns["action.type"][row] == one.action.type.position


def test_dropout_acts_in_training_only() -> None:
    model, features = CharacterModel(), torch.ones(2, 453)
    assert not torch.equal(model(features)["action"], model(features)["action"])
    model.eval()
    assert torch.equal(model(features)["action"], model(features)["action"])
