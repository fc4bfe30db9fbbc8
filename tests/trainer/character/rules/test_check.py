"""The check that labels follow the rules: it says so where they do, and names each rule that was changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from storyteller_schema.contract.enums import (
    ActionContext,
    ActionType,
    EmotionalRegister,
    EventType,
    Primary,
)
from storyteller_trainer.character.data.rows import Stacked
from storyteller_trainer.character.rules import conditionals as rules
from storyteller_trainer.character.rules import report
from storyteller_trainer.character.rules.array_views import Float32, Int, label, slots_of
from storyteller_trainer.character.rules.axes import LABEL_AXES, AxisPlaces
from storyteller_trainer.character.rules.check import ENOUGH, ROWS, check_rules, sampled_rows
from storyteller_trainer.character.rules.coherence import coherence
from storyteller_trainer.character.rules.conditionals import conditionals
from storyteller_trainer.sample.character import labels as drawing
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.cells import valid_cells
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.descriptors import Descriptors
from storyteller_trainer.sample.character.generate import generate_dataset
from storyteller_trainer.sample.character.labels import draw_labels
from storyteller_trainer.sample.character.scenarios import Scenarios, draw_scenarios
from storyteller_trainer.sample.character.synthetic import random_descriptors

EXAMPLES = 12_000


class World:
    """Scenarios of one descriptor set, whose labels can be drawn again and again."""

    def __init__(self, descriptors: Descriptors, n: int = EXAMPLES) -> None:
        rng = np.random.default_rng(0)
        cells = valid_cells(descriptors, descriptors.genres[0])
        cells = cells.take(rng.integers(len(cells), size=n))
        self.scenarios: Scenarios = draw_scenarios(Tables.of(descriptors), cells, rng)
        self.archetypes: Int = cells.archetype_a
        self.places: AxisPlaces = axis_places(descriptors)

    def draw(self, seed: int = 0) -> Float32:
        given = conditionals(self.scenarios.features, self.scenarios.axes)
        return draw_labels(given, np.random.default_rng(seed))

    def check(self, labels: Float32, places: AxisPlaces | None) -> report.RulesReport:
        return check_rules(self.scenarios.features, labels, self.archetypes, places, 0.6)


@pytest.fixture(scope="module")
def world() -> World:
    return World(load_descriptors())


@pytest.mark.parametrize("seed", range(4))
def test_labels_drawn_by_the_rules_follow_them(seed: int) -> None:
    world = World(random_descriptors(seed))
    found = world.check(world.draw(seed), world.places)
    assert found.line() == "labels follow the engine's rules", list(found.evidence())
    assert found.follow
    assert not found.differ
    assert found.rows == EXAMPLES
    assert list(found.rules) == list(report.RULES)


def test_the_sample_generators_own_data_follow() -> None:
    descriptors = load_descriptors()
    made = generate_dataset(descriptors, SampleConfig(examples=6000))
    archetypes = made.plan.cells.archetype_a[made.cells]
    found = check_rules(made.features, made.labels, archetypes, axis_places(descriptors), 0.6)
    assert found.follow, list(found.evidence())


def test_rejected_examples_are_reckoned_with() -> None:
    """Above a coherence of 0.9 many are rejected, which moves what is left: not the rules' fault."""
    descriptors = random_descriptors(1)
    made = generate_dataset(descriptors, SampleConfig(examples=14_000, min_coherence=0.95))
    assert len(made.features) < 12_000
    archetypes = made.plan.cells.archetype_a[made.cells]
    places = axis_places(descriptors)
    assert check_rules(made.features, made.labels, archetypes, places, 0.95).follow
    assert check_rules(made.features, made.labels, archetypes, places, 0.6).differ
    unknown = check_rules(made.features, made.labels, archetypes, places, None)
    assert unknown.of(report.UNTOLD) == list(report.RULES)
    # What the action reads decides what is rejected, so without it nothing that chance decides can be told.
    blind = check_rules(made.features, made.labels, archetypes, None, 0.95)
    assert blind.of(report.UNTOLD) == [
        *(report.ACTION_TYPE, report.ACTION_CONTEXT, report.VALENCE, report.SPEECH_OCCURS, report.AWARENESS),
        report.DELTAS,
    ]
    # What leaves no choice can be told all the same.
    second_highest_of(made.features, made.labels)
    assert check_rules(made.features, made.labels, archetypes, None, 0.95).of(report.DIFFER) == [report.DOMINANT]


Plant = Callable[[World], Float32]


def constant(module: object, name: str, value: object) -> Plant:
    """The labels as they are with another constant in the generator."""

    def plant(world: World) -> Float32:
        with mock.patch.object(module, name, value):
            return world.draw()

    return plant


def entry(name: str, key: object, value: object) -> Plant:
    """The same with another entry in one of the rules' tables."""

    def plant(world: World) -> Float32:
        with mock.patch.dict(getattr(rules, name), {key: value}):
            return world.draw()

    return plant


def edited(edit: Callable[[World, Float32], None]) -> Plant:
    """Labels that were drawn by the rules, and then changed in a few rows."""

    def plant(world: World) -> Float32:
        labels = world.draw()
        edit(world, labels)
        return labels

    return plant


def second_highest_of(features: Float32, labels: Float32) -> None:
    intensities = slots_of(features, "emotional_state")[:10, :, 0]
    label(labels, "thought.dominant_emotion_index")[:10, 0] = intensities.argsort(axis=1)[:, -2]


def second_highest(world: World, labels: Float32) -> None:
    second_highest_of(world.scenarios.features, labels)


def another_target(world: World, labels: Float32) -> None:
    label(labels, "action.target_index")[77] = 2


def no_register(world: World, labels: Float32) -> None:
    silent = label(labels, "speech.occurs")[:, 0] == 0
    label(labels, "speech.register")[silent] = 0


SPEAK, RESIST, PERFORM = ActionType.SPEAK, ActionType.RESIST, ActionType.PERFORM
AGGRESSIVE, TENDER = EmotionalRegister.AGGRESSIVE, EmotionalRegister.TENDER

PLANTED: list[tuple[str, Plant, set[str], str]] = [
    ("Speak +2 is +1", entry("ACTION_BY_EVENT", EventType.SPEECH, {SPEAK: 1}), {report.ACTION_TYPE}, "Speak in"),
    (
        "a rule that reads another axis",
        entry("ACTION_BY_AXIS", "self_awareness", {RESIST: 0.5}),
        {report.ACTION_TYPE},
        "Resist in",
    ),
    ("high tension begins at 0.65", constant(rules, "HIGH_TENSION", 0.65), {report.SPEECH_REGISTER}, "never happens"),
    ("registers 0.4 are 0.5", constant(rules, "MARKED_REGISTER", 0.5), {report.SPEECH_REGISTER}, "expected"),
    ("no register in silence", edited(no_register), {report.SPEECH_REGISTER}, "no outcome"),
    (
        "Tender without its context",
        entry("CONTEXT_BY_REGISTER", TENDER, {ActionContext.RELATIONAL_DYNAMIC: 0.5}),
        {report.ACTION_CONTEXT},
        "with register Tender",
    ),
    ("speech 0.8 is 0.7", entry("SPEECH_BY_EVENT", EventType.SPEECH, 0.7), {report.SPEECH_OCCURS}, "speech in"),
    ("warmth counts 0.25", constant(rules, "VALENCE_PER_WARMTH", 0.25), {report.VALENCE}, "farther than 0.1"),
    ("less noise of valence", constant(drawing, "VALENCE_NOISE", 0.09), {report.VALENCE}, "quarter of its range"),
    ("dominant is the second", edited(second_highest), {report.DOMINANT}, "in 10 of 12,000 rows"),
    ("deltas up to 0.3", constant(drawing, "RAISED_BY", (0.05, 0.3)), {report.DELTAS}, "larger"),
    ("deltas up to 0.22", constant(drawing, "RAISED_BY", (0.05, 0.22)), {report.DELTAS}, "quarter of its range"),
    ("another emotion rises", entry("RAISED", AGGRESSIVE, (Primary.DISGUST,)), {report.DELTAS}, "raises an emotion"),
    ("an emotion stays", entry("LOWERED", AGGRESSIVE, ()), {report.DELTAS}, "leaves an emotion as it is"),
    ("another emotion falls", entry("LOWERED", TENDER, (Primary.FEAR,)), {report.DELTAS}, "lowers an emotion"),
    ("shifts of 0.2 are 0.3", constant(drawing, "SHIFT_PROBABILITY", 0.3), {report.SHIFTS}, "a shift of"),
    ("shifts from 0.1", constant(drawing, "SHIFT_ABOVE", 0.1), {report.SHIFTS}, "without a rise of more than 0.15"),
    ("confidences up to 0.95", constant(drawing, "CONFIDENCE", (0.5, 0.95)), {report.CONFIDENCES}, "from 0.5 to 0.9"),
    ("confidences from 0.52", constant(drawing, "CONFIDENCE", (0.52, 0.9)), {report.CONFIDENCES}, "first quarter"),
    ("a target", edited(another_target), {report.TARGET}, "is not -1 in 1 of 12,000 rows"),
]


@pytest.mark.parametrize(("plant", "expected", "words"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_a_changed_rule_is_named_with_evidence(world: World, plant: Plant, expected: set[str], words: str) -> None:
    found = world.check(plant(world), world.places)
    # A threshold of tension is read by two rules, and the shifts follow the deltas.
    assert expected <= set(found.of(report.DIFFER)) <= expected | {report.ACTION_TYPE, report.SHIFTS}
    for rule in expected:
        assert words in found.rules[rule].evidence
    assert found.differ
    assert not found.follow
    assert f"differ in: {', '.join(found.of(report.DIFFER))}" in found.line()


@pytest.mark.parametrize("name", ["awareness"])
def test_another_threshold_of_awareness_is_found(world: World, name: str) -> None:
    labels = world.draw()
    levels = label(labels, "thought.awareness")
    near = (world.scenarios.axes["self_awareness"] > 0.7) & (world.scenarios.axes["self_awareness"] < 0.72)
    assert near.any()
    levels[near] = np.roll(levels[near], 1, axis=1)
    found = world.check(labels, world.places)
    assert found.of(report.DIFFER) == [name]
    assert f"in {int(near.sum()):,} of 12,000 rows" in found.rules[name].evidence


def test_without_descriptors_only_the_rules_that_read_axes_cannot_be_told(world: World) -> None:
    found = world.check(world.draw(), None)
    assert found.of(report.UNTOLD) == ["action type", "valence", "speech occurs", "awareness"]
    assert not found.differ
    assert not found.follow
    assert found.line() == (
        "labels against the engine's rules: cannot be told: action type, valence, speech occurs, awareness"
    )
    assert "empathy and distance_management" in found.rules["action type"].evidence


def test_a_few_rows_say_what_is_wrong_but_not_that_all_is_right(world: World) -> None:
    labels = world.draw()
    few = slice(0, ENOUGH - 1)
    features, who = world.scenarios.features, world.archetypes
    found = check_rules(features[few], labels[few], who[few], world.places, 0.6)
    assert found.of(report.UNTOLD) == list(report.RULES)
    assert "too few" in found.rules["deltas"].evidence
    label(labels, "action.target_index")[3] = 1
    assert check_rules(features[few], labels[few], who[few], world.places, 0.6).of(report.DIFFER) == ["target index"]


def test_of_many_examples_some_are_looked_at_wherever_they_stand() -> None:
    assert sampled_rows(300).tolist() == list(range(300))
    rows = sampled_rows(1_000_000)
    assert len(rows) == ROWS
    assert (rows[0], rows[-1]) == (0, 999_999)
    assert np.diff(rows).max() < 12_000
    assert len(np.unique(rows)) == ROWS
    assert len(sampled_rows(ROWS + 5)) <= ROWS


def test_several_files_are_looked_at_as_one(world: World) -> None:
    labels = world.draw()
    features = world.scenarios.features
    stacked = Stacked([features[:5000], features[5000:]]), Stacked([labels[:5000], labels[5000:]])
    assert check_rules(*stacked, world.archetypes, world.places, 0.6) == world.check(labels, world.places)


def test_axes_that_lie_elsewhere_are_noticed(world: World) -> None:
    """As if the descriptors had the axes in another order: the labels no longer fit."""
    wrong = {name: np.where(slots >= 0, (slots + 1) % 4, slots) for name, slots in world.places.slots.items()}
    found = world.check(world.draw(), replace(world.places, slots=wrong))
    assert report.AWARENESS in found.of(report.DIFFER)
    assert set(wrong) == set(LABEL_AXES)


def test_chance_alone_says_differ_in_none_of_many_sets() -> None:
    world = World(random_descriptors(9), n=1500)
    for seed in range(50):
        found = world.check(world.draw(seed), world.places)
        assert not found.differ, (seed, list(found.evidence()))
    assert coherence(world.scenarios.features, world.draw()).min() >= 0.6
