"""The network is the reference architecture, and nothing else."""

from __future__ import annotations

import torch
from storyteller_schema.predictions import HEADS
from storyteller_trainer.character.model import PARAMETERS, CharacterModel
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


def test_dropout_acts_in_training_only() -> None:
    model, features = CharacterModel(), torch.ones(2, 453)
    assert not torch.equal(model(features)["action"], model(features)["action"])
    model.eval()
    assert torch.equal(model(features)["action"], model(features)["action"])
