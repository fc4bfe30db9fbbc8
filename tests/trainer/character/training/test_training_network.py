"""What is trained: in which precision it computes, and what it makes of inputs that are empty or never vary."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.data.batches import ResidentSource
from storyteller_trainer.character.training import train
from storyteller_trainer.character.training.recipe import RECIPES
from storyteller_trainer.character.training.train import Trainer
from torch import Tensor

MakeSide = Callable[..., ResidentSource]


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("instructions", [True, False])
def test_hidden_layers_compute_in_bfloat16_where_the_processor_is_made_for_it(
    side: MakeSide, monkeypatch: pytest.MonkeyPatch, instructions: bool
) -> None:
    def trainer(**options: object) -> Trainer:
        return Trainer(RECIPES["default"].with_options(batch_size=32, **options), side(100), side(40, seed=1))

    monkeypatch.setattr(train, "has_bfloat16", lambda device: instructions)
    exact, learner = trainer(precision="fp32"), trainer()
    assert same(weights(exact), weights(learner))
    seen: dict[str, torch.dtype] = {}
    for name, layer in learner.network.named_modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output.dtype}))
    totals = [each.run_epoch().train.total for each in (exact, learner)]
    half = {name for name, dtype in seen.items() if dtype == torch.bfloat16}
    hidden = {"model.trunk.3", "model.trunk.6", *(f"model.heads.{name}.0" for name in HEADS)}
    assert half == (hidden if instructions else set())
    assert same(weights(exact), weights(learner)) is not instructions
    assert totals[1] == pytest.approx(totals[0], rel=2e-2)
    assert all(tensor.dtype == torch.float32 for tensor in learner.state().values())
