"""First weights: the units that begin as steps, and all others as they were."""

from __future__ import annotations

from itertools import permutations

import torch
from storyteller_schema.contract.enums import AwarenessLevel
from storyteller_schema.contract.features import FEATURES
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.character.rules.conditionals import AWARENESS_ABOVE
from storyteller_trainer.character.training.first_weights import begin_by_rules, begin_with_steps

PAIRS = list(permutations(range(8), 2))
STEPS = len(PAIRS) + 16 * len(AWARENESS_ABOVE)


def test_a_pair_of_units_is_a_step() -> None:
    """Half a unit high, half as high where the comparison is even, and flat a little way off."""
    layer = CharacterModel().first_layer
    begin_with_steps(layer)
    features = torch.rand(300, FEATURES.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        units = layer(features).relu()
    steps = units[:, 0 : 2 * STEPS : 2] - units[:, 1 : 2 * STEPS : 2]
    states = features[:, FEATURES["emotional_state"].span].view(-1, 8, 6)[:, :, 0]
    central = features[:, FEATURES["tensor"].span].view(300, 16, -1)[:, :, 0]
    leads = torch.stack([states[:, a] - states[:, b] for a, b in PAIRS], dim=1)
    above = torch.stack([central[:, slot] - bound for slot in range(16) for bound in (0.7, 0.5, 0.3)], dim=1)
    expected = (torch.cat([8 * leads, 16 * above], dim=1) + 0.25).clamp(0, 0.5)
    assert torch.allclose(steps, expected, atol=1e-5)
    assert ((expected == 0) | (expected == 0.5)).float().mean() > 0.8


def test_the_other_units_stay_as_they_were() -> None:
    torch.manual_seed(0)
    layer = CharacterModel().first_layer
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    begin_with_steps(layer)
    assert torch.equal(layer.weight[2 * STEPS :], weight[2 * STEPS :])
    assert torch.equal(layer.bias[2 * STEPS :], bias[2 * STEPS :])
    assert (layer.weight[: 2 * STEPS] != 0).sum() == 2 * (2 * len(PAIRS) + 16 * len(AWARENESS_ABOVE))


def test_the_dominant_emotion_begins_in_the_middle_of_its_range() -> None:
    torch.manual_seed(0)
    model, plain = CharacterModel(), CharacterModel()
    plain.load_state_dict(model.state_dict())
    begin_by_rules(model)
    begin_with_steps(plain.first_layer)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, plain.state_dict()[name])}
    assert changed == {"heads.thought.2.bias"}
    bias, before = (each.state_dict()["heads.thought.2.bias"] for each in (model, plain))
    assert bias[5] == 3.5
    assert torch.equal(bias[:5], before[:5])


def test_the_bounds_are_those_of_the_contract() -> None:
    assert AWARENESS_ABOVE == {
        AwarenessLevel.ARTICULATE: 0.7,
        AwarenessLevel.RECOGNIZABLE: 0.5,
        AwarenessLevel.PRECONSCIOUS: 0.3,
    }
