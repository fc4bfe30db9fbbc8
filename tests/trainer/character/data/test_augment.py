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


def intensities(features: torch.Tensor) -> torch.Tensor:
    return features[:, EMOTIONS.span].view(-1, 8, 6)[:, :, 0]


def test_the_dominant_emotion_follows_its_intensity(side: Callable[..., ResidentSource]) -> None:
    features, labels = next(side(200).in_order(200))
    labels[:, DOMINANT] = intensities(features).argmax(dim=1)
    torch.manual_seed(0)
    new_features, new_labels = augment(features, labels)
    assert torch.equal(new_labels[:, DOMINANT], intensities(new_features).argmax(dim=1).float())
    assert not torch.equal(new_labels[:, DOMINANT], labels[:, DOMINANT])
    # Intensity and awareness of a primary stay together: the same 1,600 rows of six, in another order.
    rows = (x[:, EMOTIONS.span].reshape(-1, 6).tolist() for x in (features, new_features))
    assert len({tuple(map(tuple, sorted(part))) for part in rows}) == 1


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
