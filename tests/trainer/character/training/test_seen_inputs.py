"""The inputs that a network in training sees, and the weights for all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from storyteller_trainer.character.data.batches import ResidentSource
from storyteller_trainer.character.model.network import CharacterModel
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.character.training.seen_inputs import SeenInputs
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.character.training.training_network import TrainingNetwork

MakeSide = Callable[..., ResidentSource]
CONSTANT = [3, 200, 452]


@pytest.fixture
def data(side: MakeSide) -> ResidentSource:
    made = side(100)
    made.features[:, CONSTANT] = torch.tensor([0.0, 1.0, -2.5])
    return made


@pytest.mark.parametrize("standardize", [False, True])
def test_the_unfolded_network_does_the_same_with_all_inputs(data: ResidentSource, standardize: bool) -> None:
    inputs = SeenInputs.of(data, standardize=standardize)
    network = TrainingNetwork(CharacterModel(0.0), inputs.columns)
    seen = inputs(data.features)
    assert seen.shape == (100, len(inputs.columns))
    assert torch.equal(seen, data.features[:, inputs.columns]) is not standardize
    model = CharacterModel(0.0)
    model.load_state_dict(inputs.unfold(network.model.state_dict()))
    assert not model.first_layer.weight[:, CONSTANT].any()
    expected, found = network.model(seen), model(data.features)
    for name, raw in expected.items():
        torch.testing.assert_close(found[name], raw, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", RECIPES)
def test_inputs_that_never_vary_in_training_change_nothing_in_the_engine(
    data: ResidentSource, side: MakeSide, preset: str
) -> None:
    learner = Trainer(RECIPES[preset].with_options(batch_size=32), data, side(40, seed=1))
    learner.run_epoch()
    features = data.features.clone()
    features[:, CONSTANT] = torch.randn(100, 3)
    before, after = learner.model(data.features), learner.model(features)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("preset", RECIPES)
def test_where_no_input_varies_what_is_left_is_learned(side: MakeSide, preset: str, standardize: bool) -> None:
    train, validation = side(100), side(40, seed=1)
    train.features[:] = train.features[0].clone()
    options = {"batch_size": 32, "augment": False, "standardize": standardize}
    learner = Trainer(RECIPES[preset].with_options(**options), train, validation)
    before = learner.validate().losses.total
    assert learner.run_epoch().validation.losses.total < before
    assert not learner.model.first_layer.weight.any()
