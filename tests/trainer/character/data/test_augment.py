"""Augmentation: what the labels depend on stays with them, and everything else is dealt out anew."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.augment import UNREAD, augment
from storyteller_trainer.character.data.batches import ResidentSource
from storyteller_trainer.character.rules.conditionals import conditionals
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.plan import make_plan
from storyteller_trainer.sample.character.scenarios import draw_scenarios

EMOTIONS = FEATURES["emotional_state"]
DOMINANT = PREDICTIONS.span("thought.dominant_emotion_index").start


def states(features: torch.Tensor) -> torch.Tensor:
    return features[:, EMOTIONS.span].view(-1, 8, 6)


def intensities(features: torch.Tensor) -> torch.Tensor:
    return states(features)[:, :, 0]


def test_the_dominant_emotion_follows_its_intensity(side: Callable[..., ResidentSource]) -> None:
    features, labels = next(side(200).in_order(200))
    labels[:, DOMINANT] = intensities(features).argmax(dim=1)
    torch.manual_seed(0)
    new_features, new_labels = augment(features, labels)
    assert torch.equal(new_labels[:, DOMINANT], intensities(new_features).argmax(dim=1).float())
    assert not torch.equal(new_labels[:, DOMINANT], labels[:, DOMINANT])
    # Intensity and awareness of a primary stay together: every state is one of the old ones, its eight rows reordered.
    old, new = ({tuple(sorted(map(tuple, s))) for s in states(x).tolist()} for x in (features, new_features))
    assert new <= old


def test_close_states_are_dealt_more_often(side: Callable[..., ResidentSource]) -> None:
    """By 1 / (lead + 0.02): a state that is led by 0.18 a tenth as often as one that is led by hardly anything."""
    features, labels = next(side(4000).in_order(4000))
    states(features)[:, :, 0] = 0.2
    states(features)[:, 3, 0] = torch.where(torch.arange(4000) % 2 == 0, 0.2 + 1e-6, 0.38)
    labels[:, DOMINANT] = 3
    torch.manual_seed(0)
    new_features, _ = augment(features, labels)
    easy = (intensities(new_features).amax(dim=1) > 0.3).float().mean()
    assert 0.07 < easy < 0.115


def test_where_two_emotions_are_highest_the_order_is_kept(side: Callable[..., ResidentSource]) -> None:
    features, labels = next(side(60).in_order(60))
    features[:, EMOTIONS.locate("intensity", 2)] = 1.0
    features[:, EMOTIONS.locate("intensity", 6)] = 1.0
    labels[:, DOMINANT] = 6
    torch.manual_seed(0)
    new_features, new_labels = augment(features, labels)
    assert (intensities(new_features)[:, [2, 6]] == 1.0).all()
    assert (new_labels[:, DOMINANT] == 6).all()


def test_what_labels_read_stays_and_the_arguments_are_not_changed(side: Callable[..., ResidentSource]) -> None:
    features, labels = next(side(50).in_order(50))
    before = features.clone(), labels.clone()
    new_features, new_labels = augment(features, labels)
    assert torch.equal(features, before[0])
    assert torch.equal(labels, before[1])
    moved = {*chain.from_iterable(UNREAD), *range(EMOTIONS.span.start, EMOTIONS.span.stop)}
    kept = [column for column in range(FEATURES.size) if column not in moved]
    assert torch.equal(new_features[:, kept], features[:, kept])
    others = [column for column in range(PREDICTIONS.size) if column != DOMINANT]
    assert torch.equal(new_labels[:, others], labels[:, others])
    for columns in UNREAD:
        assert sorted(new_features[:, columns].tolist()) == sorted(features[:, columns].tolist())


def test_the_generators_own_rules_do_not_read_what_is_moved() -> None:
    """The conditionals of every label but the dominant emotion are the same for features that were augmented."""
    plan = make_plan(load_descriptors(), SampleConfig(cells=40, examples=400))
    cells = plan.cells.take(np.repeat(np.arange(40), 10))
    scenarios = draw_scenarios(Tables.of(plan.descriptors), cells, np.random.default_rng(0))
    given = conditionals(scenarios.features, scenarios.axes)
    torch.manual_seed(0)
    features, _ = augment(torch.from_numpy(scenarios.features), torch.zeros(400, PREDICTIONS.size))
    again = conditionals(features.numpy(), scenarios.axes)
    for name in ("action_type", "action_context", "valence", "speech_occurs", "speech_register", "awareness", "raised"):
        assert np.array_equal(getattr(given, name), getattr(again, name)), name
    assert not np.array_equal(given.dominant, again.dominant)
