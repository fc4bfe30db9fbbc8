"""Standardised inputs, and the first layer that makes them unnecessary."""

from __future__ import annotations

import torch
from storyteller_schema.contract.features import FEATURES
from storyteller_trainer.character.data.standardize import Standardizer
from storyteller_trainer.character.model.network import CharacterModel


def examples() -> torch.Tensor:
    features = torch.randn(500, FEATURES.size, generator=torch.Generator().manual_seed(0)) * 3 + 5
    features[:, 7] = 0.1
    return features


def test_inputs_get_mean_0_and_deviation_1_and_constant_ones_0() -> None:
    features = examples()
    seen = Standardizer.of(features)(features)
    varying = [column for column in range(FEATURES.size) if column != 7]
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(FEATURES.size), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[:, varying].std(dim=0, correction=0), torch.ones(FEATURES.size - 1))
    assert (seen[:, 7] == 0).all()


def test_the_folded_network_does_the_same_with_raw_inputs() -> None:
    torch.manual_seed(0)
    model, folded = CharacterModel().eval(), CharacterModel().eval()
    features = examples()
    standardizer = Standardizer.of(features)
    folded.load_state_dict(standardizer.fold(model.state_dict()))
    with torch.no_grad():
        expected, found = model(standardizer(features)), folded(features)
        assert (folded.get_parameter("trunk.0.weight")[:, 7] == 0).all(), "an input that never varied is ignored"
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)
