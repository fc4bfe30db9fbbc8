"""Expected labels: the mean of what is drawn, and the irreducible loss that follows from the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.manifest import Ceiling
from storyteller_trainer.character.rules import expected as module
from storyteller_trainer.character.rules.array_views import label
from storyteller_trainer.character.rules.axes import read_axes
from storyteller_trainer.character.rules.conditionals import conditionals
from storyteller_trainer.character.rules.expected import Rules
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.config import SampleConfig
from storyteller_trainer.sample.character.generate import SampleDataset, generate_dataset
from storyteller_trainer.sample.character.labels import draw_labels
from storyteller_trainer.sample.character.synthetic import random_descriptors

CERTAIN = ("action.target_index", "thought.awareness", "thought.dominant_emotion_index")


def make(examples: int, min_coherence: float = 0.6) -> tuple[SampleDataset, Rules]:
    descriptors = random_descriptors(2)
    made = generate_dataset(descriptors, SampleConfig(examples=examples, min_coherence=min_coherence))
    return made, Rules(
        archetypes=made.plan.cells.archetype_a[made.cells],
        places=axis_places(descriptors),
        min_coherence=min_coherence,
    )


def test_the_mean_of_many_draws_is_what_is_expected() -> None:
    made, rules = make(60)
    found = rules.expected(made.features, made.labels, np.arange(60))
    assert found.dtype == np.float32
    axes = read_axes(made.features, rules.archetypes, rules.places)
    given = conditionals(made.features, axes)
    rng = np.random.default_rng(0)
    draws = 4000
    mean = sum(draw_labels(given, rng).astype(np.float64) for _ in range(draws)) / draws
    # The scatter of a share is at most 0.5 / sqrt(4000) = 0.008, and 2,520 of them are looked at.
    assert np.abs(mean - found).max() < 5 * 0.5 / draws**0.5
    for path in CERTAIN:
        assert np.array_equal(label(found, path), label(made.labels, path)), path
    for path in ("action.type", "action.context", "speech.register"):
        assert label(found, path).sum(axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("min_coherence", [0.6, 0.95])
def test_labels_scatter_around_what_is_expected_of_accepted_ones(min_coherence: float) -> None:
    made, rules = make(9000, min_coherence)
    n = len(made.labels)
    error = made.labels.astype(np.float64) - rules.expected(made.features, made.labels, np.arange(n))
    scatter = error.std(axis=0) / n**0.5
    assert (np.abs(error.mean(axis=0)) <= 4.5 * scatter + 1e-6).all()
    if min_coherence > 0.9:
        careless = replace(rules, min_coherence=0.6).expected(made.features, made.labels, np.arange(n))
        error = made.labels.astype(np.float64) - careless
        assert (np.abs(error.mean(axis=0)) > 6 * scatter + 1e-6).any(), "rejection has moved the labels"


def test_what_is_made_of_an_example_does_not_depend_on_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    made, rules = make(300)
    before = made.labels.copy()
    whole = rules.expected(made.features, made.labels, np.arange(300))
    assert np.array_equal(made.labels, before)
    monkeypatch.setattr(module, "PART", 64)
    rows = np.array([250, 7, 8, 131])
    assert np.array_equal(rules.expected(made.features[rows], made.labels[rows], rows), whole[rows])
    assert np.array_equal(rules.expected(made.features, made.labels, np.arange(300)), whole)


def test_labels_of_an_archetype_that_is_not_described_stay_as_they_are() -> None:
    made, rules = make(300)
    unknown = rules.archetypes == rules.archetypes[0]
    blind = replace(rules, archetypes=np.where(unknown, -1, rules.archetypes))
    found = blind.expected(made.features, made.labels, np.arange(300))
    assert np.array_equal(found[unknown], made.labels[unknown])
    assert np.array_equal(found[~unknown], rules.expected(made.features, made.labels, np.arange(300))[~unknown])
    assert blind.ceiling(made.features, made.labels) == Ceiling()


@pytest.mark.parametrize("min_coherence", [0.6, 0.95])
def test_the_ceiling_is_that_of_the_generator(min_coherence: float) -> None:
    made, rules = make(1000, min_coherence)
    found = rules.ceiling(made.features, made.labels)
    assert found.terms == pytest.approx(made.irreducible.terms)
    assert found.best_accuracy == pytest.approx(made.best_accuracy)
    assert found.min_coherence == min_coherence


def test_of_many_examples_some_tell_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    made, rules = make(2000)
    all_of_them = rules.ceiling(made.features, made.labels)
    monkeypatch.setattr(module, "CEILING_ROWS", 1000)
    monkeypatch.setattr(module, "PART", 300)
    some = rules.ceiling(made.features, made.labels)
    assert some.terms is not None
    assert all_of_them.terms is not None
    assert some.terms != all_of_them.terms
    assert some.terms["action.type"] == pytest.approx(all_of_them.terms["action.type"], rel=0.02)
    assert list(some.terms) == [f"{r.name}.{f.name}" for r in PREDICTIONS.regions for f in r.fields]
