"""Axes dealt out anew: no rule's answer changes but that of awareness, whose label goes with its axis."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pytest
import torch
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.rules.axes import ABSENT, MARKS, AxisPlaces, read_axes
from storyteller_trainer.character.rules.conditionals import conditionals
from storyteller_trainer.character.training.augment_axes import AxisDealer
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.plan import make_plan
from storyteller_trainer.sample.character.scenarios import draw_scenarios

CPU = torch.device("cpu")
AXES = FEATURES["tensor"]
AWARENESS = PREDICTIONS.span("thought.awareness")


class Drawn(msgspec.Struct, frozen=True):
    """Scenarios of the shipped descriptors, and the labels that say how aware their characters are."""

    features: torch.Tensor
    labels: torch.Tensor
    archetypes: np.ndarray
    places: AxisPlaces

    def deal(self, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        return dealt(self.places, self.features, self.labels, seed)


def dealt(
    places: AxisPlaces, features: torch.Tensor, labels: torch.Tensor, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Another batch, where the dealer changes the one that it is given."""
    torch.manual_seed(seed)
    batch = features.clone(), labels.clone()
    AxisDealer(places, CPU)(*batch)
    return batch


@cache
def drawn() -> Drawn:
    plan = make_plan(load_descriptors(), SampleConfig(cells=100, examples=1000))
    cells = plan.cells.take(np.repeat(np.arange(100), 10))
    scenarios = draw_scenarios(Tables.of(plan.descriptors), cells, np.random.default_rng(0))
    labels = np.zeros((1000, PREDICTIONS.size), np.float32)
    labels[:, AWARENESS] = np.eye(5)[conditionals(scenarios.features, scenarios.axes).awareness]
    return Drawn(
        torch.from_numpy(scenarios.features),
        torch.from_numpy(labels),
        np.asarray(cells.archetype_a),
        axis_places(plan.descriptors),
    )


def slots(features: torch.Tensor) -> torch.Tensor:
    return features[:, AXES.span].view(len(features), AXES.slots, AXES.per_slot)


def two(slot_of_one: int, slot_of_other: int) -> AxisPlaces:
    """Two archetypes that are marked alike; both may have self-awareness, and the second one has empathy in slot 4."""
    marks = np.zeros((2, *MARKS), np.float32)
    marks[:, :6, 0] = marks[:, :6, 4] = 1
    absent = np.full(2, ABSENT)
    read = {"self_awareness": np.array([slot_of_one, slot_of_other]), "empathy": np.array([ABSENT, 4])}
    others = ("distance_management", "warmth_openness", "expression_silence")
    return AxisPlaces(archetypes=("a", "b"), slots=read | dict.fromkeys(others, absent), marks=marks)


def marked(rows: int) -> torch.Tensor:
    """Features of `two`, everything else drawn."""
    features = torch.rand(rows, FEATURES.size)
    axes = slots(features)
    axes[:, :, 4:] = torch.from_numpy(two(1, 1).marks[0])
    axes[:, 6:, :4] = 0
    return features


def test_rules_answer_as_before_but_that_of_awareness_with_its_label() -> None:
    data = drawn()
    features, labels = data.deal()
    before, after = (
        conditionals(x.numpy(), read_axes(x.numpy(), data.archetypes, data.places)) for x in (data.features, features)
    )
    for name in ("action_type", "action_context", "valence", "speech_occurs", "speech_register", "raised", "dominant"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert np.array_equal(after.awareness, labels[:, AWARENESS].argmax(dim=1).numpy())
    assert 0.1 < (before.awareness != after.awareness).mean() < 0.9


def test_what_rules_read_and_what_is_no_axis_stays() -> None:
    data = drawn()
    before = data.features, data.labels
    features, labels = data.deal()
    outside = torch.ones(FEATURES.size, dtype=torch.bool)
    outside[AXES.span] = False
    assert torch.equal(features[:, outside], before[0][:, outside])
    assert torch.equal(slots(features)[:, :, 4:], slots(before[0])[:, :, 4:])
    kept = torch.ones(PREDICTIONS.size, dtype=torch.bool)
    kept[AWARENESS] = False
    assert torch.equal(labels[:, kept], before[1][:, kept])


def test_values_come_from_examples_of_the_same_archetype() -> None:
    data = drawn()
    features, _ = data.deal()
    old, new = (slots(x)[:, :, :4].numpy() for x in (data.features, features))
    assert (old != new).any(axis=(1, 2)).mean() > 0.9
    for archetype in np.unique(data.archetypes):
        rows = data.archetypes == archetype
        for slot in range(AXES.slots):
            for place in range(4):
                assert set(new[rows, slot, place]) <= set(old[rows, slot, place])


def test_a_seed_gives_the_same_batch_and_another_one_another() -> None:
    data = drawn()
    assert all(torch.equal(one, other) for one, other in zip(data.deal(), data.deal(), strict=True))
    assert not torch.equal(data.deal()[0], data.deal(seed=1)[0])


def test_an_example_of_no_known_archetype_stays_as_it_is() -> None:
    features = marked(40)
    slots(features)[:20, 2, 5] = 1.0  # one mark more
    slots(features)[20:30, 2, 4:] = 0.0  # and two fewer
    labels = torch.rand(40, PREDICTIONS.size)
    new_features, new_labels = dealt(two(1, 1), features, labels)
    assert torch.equal(new_features[:30], features[:30])
    assert torch.equal(new_labels[:30], labels[:30])
    assert not torch.equal(new_features[30:], features[30:])
    assert not torch.equal(new_labels[30:], labels[30:])


def test_values_close_to_a_bound_are_dealt_more_often() -> None:
    """By 1 / (distance + 0.02): a value 0.18 away a tenth as often as one that lies on a bound."""
    features = marked(4000)
    slots(features)[:, 1, 0] = torch.where(torch.arange(4000) % 2 == 0, 0.7, 0.88)
    new_features, _ = dealt(two(1, 1), features, torch.zeros(4000, PREDICTIONS.size))
    assert 0.07 < (slots(new_features)[:, 1, 0] > 0.8).float().mean() < 0.115


@pytest.mark.parametrize(("places", "kept"), [(two(1, 1), (4,)), (two(1, 3), (1, 3, 4)), (two(1, ABSENT), (1, 4))])
def test_archetypes_that_look_alike_keep_what_a_rule_reads_of_either(places: AxisPlaces, kept: tuple[int, ...]) -> None:
    features = marked(200)
    new_features, _ = dealt(places, features, torch.rand(200, PREDICTIONS.size))
    central = (slots(new_features) == slots(features))[:, :6, 0].all(dim=0)
    assert central.nonzero().flatten().tolist() == list(kept)
