"""The irreducible loss: its parts by hand, and by simulation with the trainer's own loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from storyteller_schema.contract.enums import AwarenessLevel, EmotionalRegister, Primary
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS
from storyteller_trainer.character.data.manifest import combine
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.model.losses import loss_terms
from storyteller_trainer.character.rules.array_views import Float32, Float64, label
from storyteller_trainer.character.rules.coherence import coherence
from storyteller_trainer.character.rules.conditionals import VALENCE_NOISE, Conditionals, conditionals
from storyteller_trainer.character.rules.irreducible import (
    accepted,
    best_accuracies,
    binary_entropy,
    clamped_moments,
    delta_moments,
    entropy,
    lowest_terms,
)
from storyteller_trainer.sample.character.cells import valid_cells
from storyteller_trainer.sample.character.descriptor_arrays import Tables
from storyteller_trainer.sample.character.descriptor_files import load_descriptors
from storyteller_trainer.sample.character.descriptors import Descriptors
from storyteller_trainer.sample.character.labels import draw_labels
from storyteller_trainer.sample.character.scenarios import Scenarios, draw_scenarios
from storyteller_trainer.sample.character.synthetic import random_descriptors

MakeScenario = Callable[..., Scenarios]

JOY, TRUST, FEAR, SURPRISE, SADNESS, DISGUST, ANGER, ANTICIPATION = Primary

#: A logit whose probability is 0 or 1 for every purpose here.
CERTAIN = 40.0


def test_entropies() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
    assert entropy(probabilities) == pytest.approx([np.log(2), 0, 1.5 * np.log(2)])
    assert binary_entropy(np.array([0.0, 0.1, 0.5, 1.0])) == pytest.approx([0, 0.3250829734, np.log(2), 0])


@pytest.mark.parametrize(
    ("low", "high", "mean", "variance"),
    [
        (-0.1, 0.1, 0.0, 0.2**2 / 12),
        (0.5, 0.9, 0.7, 0.4**2 / 12),
        (2.0, 3.0, 1.0, 0.0),
        (-3.0, -2.0, -1.0, 0.0),
        # Half at 1, half uniform in [0, 1]: mean 3/4, mean square 1/2 + 1/6.
        (0.0, 2.0, 0.75, 2 / 3 - 9 / 16),
        # A third at each end, a third uniform between.
        (-3.0, 3.0, 0.0, 2 / 3 + 1 / 9),
    ],
)
def test_moments_of_a_clamped_uniform(low: float, high: float, mean: float, variance: float) -> None:
    moments = clamped_moments(low, high)
    assert moments == pytest.approx((mean, variance))
    draws = np.clip(np.random.default_rng(0).uniform(low, high, 200_000), -1, 1)
    assert moments == pytest.approx((draws.mean(), draws.var()), abs=0.01)


def terms_of(scenarios: Scenarios, min_coherence: float = 0.6) -> dict[str, Float64]:
    given = conditionals(scenarios.features, scenarios.axes)
    labels = draw_labels(given, np.random.default_rng(0))
    return lowest_terms(scenarios.features, *accepted(scenarios.features, labels, given, min_coherence))


def test_terms_of_a_neutral_scenario_by_hand(scenario: MakeScenario) -> None:
    """Speech, tension 0.5: types 1 3 1 1 1 1 of 8, contexts 1 2 1 1 1 of 6, speech with 0.8, nothing else changes."""
    terms = {name: value[0] for name, value in terms_of(scenario()).items()}
    assert terms == pytest.approx(
        {
            "action.type": 5 / 8 * np.log(8) + 3 / 8 * np.log(8 / 3),
            "action.confidence": 0.16 / 12,
            "action.target_index": 0,
            "action.emotional_valence": 0.04 / 12,
            "action.context": 4 / 6 * np.log(6) + 2 / 6 * np.log(3),
            "speech.occurs": -0.8 * np.log(0.8) - 0.2 * np.log(0.2),
            "speech.register": 0,
            "speech.confidence": 0.16 / 12,
            "thought.awareness": 0,
            "thought.dominant_emotion_index": 0,
            "emotion.intensity_delta": 0,
            "emotion.awareness_shift": 0,
        },
        abs=1e-9,
    )
    assert list(terms) == [f"{region.name}.{field.name}" for region in PREDICTIONS.regions for field in region.fields]


def test_emotion_terms_by_hand(scenario: MakeScenario) -> None:
    """One raised and one lowered of eight; a shift happens with (0.25 - 0.15) / 0.2 x 0.2 = 0.1."""
    terms = terms_of(scenario(register=EmotionalRegister.AGGRESSIVE))
    assert terms["emotion.intensity_delta"][0] == pytest.approx((0.04 / 12 + 0.01 / 12) / 8)
    assert terms["emotion.awareness_shift"][0] == pytest.approx(0.3250829734 / 8)


def test_register_entropy_in_high_and_low_tension(scenario: MakeScenario) -> None:
    expected = -0.4 * np.log(0.4) - 0.6 * np.log(0.6)
    for tension in (0.2, 0.9):
        assert terms_of(scenario(tension=tension))["speech.register"][0] == pytest.approx(expected)


def test_heads_are_sums_of_terms_and_the_total_is_weighted() -> None:
    terms = {f"{r.name}.{f.name}": float(i) for i, r in enumerate(PREDICTIONS.regions, 1) for f in r.fields}
    loss = combine(terms, HEAD_WEIGHTS)
    assert (loss.action, loss.speech, loss.thought, loss.emotion) == (5, 6, 6, 8)
    assert loss.total == pytest.approx(0.35 * 5 + 0.2 * 6 + 0.2 * 6 + 0.25 * 8)
    assert loss.terms == terms
    assert combine(terms, dict.fromkeys(HEADS, 1.0)).total == 25
    assert sum(HEAD_WEIGHTS.values()) == 1


def test_best_accuracies_by_hand(scenario: MakeScenario) -> None:
    silent = scenario(tension=0.8, axes={"expression_silence": -4.0})
    best = best_accuracies(conditionals(silent.features, silent.axes))
    # Types 1 3 1.5 1 1 2, contexts 1 2 1 1 1, and no speech whatever the event.
    assert {name: value[0] for name, value in best.items()} == pytest.approx(
        {"action.type": 3 / 9.5, "action.context": 2 / 6, "speech.occurs": 1.0, "speech.register": 0.6}
    )


@dataclass
class Accepted:
    """Examples that were not rejected, and what is known of their labels."""

    features: Float32
    labels: Float32
    given: Conditionals
    leaving: Float64
    #: The same without regard to rejection.
    prior: Conditionals
    prior_leaving: Float64

    @property
    def lowest(self) -> dict[str, float]:
        terms = lowest_terms(self.features, self.given, self.leaving)
        return {name: float(term.mean()) for name, term in terms.items()}


def keep(scenarios: Scenarios, min_coherence: float) -> Accepted:
    """Draws labels and keeps what is coherent enough."""
    labels = draw_labels(conditionals(scenarios.features, scenarios.axes), np.random.default_rng(7))
    kept = coherence(scenarios.features, labels) >= min_coherence
    features, labels = scenarios.features[kept], labels[kept]
    axes = {name: value[kept] for name, value in scenarios.axes.items()}
    prior = conditionals(features, axes)
    given, leaving = accepted(features, labels, prior, min_coherence)
    _, prior_leaving = accepted(features, labels, prior, 0.0)
    return Accepted(features, labels, given, leaving, prior, prior_leaving)


def simulate(descriptors: Descriptors, n: int, min_coherence: float) -> Accepted:
    """Examples of any cells of a world."""
    rng = np.random.default_rng(7)
    cells = valid_cells(descriptors, descriptors.genres[0])
    cells = cells.take(rng.integers(len(cells), size=n))
    return keep(draw_scenarios(Tables.of(descriptors), cells, rng), min_coherence)


def test_expected_total_on_worlds_like_the_engines() -> None:
    """The engine's own data allows about 1.31; worlds of the same rules lie near it."""
    for descriptors in (load_descriptors(), random_descriptors(0)):
        assert combine(simulate(descriptors, 5000, 0.6).lowest, HEAD_WEIGHTS).total == pytest.approx(1.32, abs=0.05)


def ideal_outputs(features: Float32, labels: Float32, given: Conditionals, leaving: Float64) -> Float32:
    """Raw outputs [n, 42] of the model that knows the label rules."""

    def logit(probability: Float64) -> Float64:
        with np.errstate(divide="ignore"):
            logits: Float64 = np.clip(np.log(probability) - np.log1p(-probability), -CERTAIN, CERTAIN)
        return logits

    def log(probability: Float64) -> Float64:
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(probability), -CERTAIN)

    outputs = np.zeros((len(features), PREDICTIONS.size), np.float32)
    mean, _, shift = delta_moments(features, given, leaving)
    valence, _ = clamped_moments(given.valence - VALENCE_NOISE, given.valence + VALENCE_NOISE)
    label(outputs, "action.type")[:] = log(given.action_type)
    label(outputs, "action.confidence")[:] = 0.7
    label(outputs, "action.target_index")[:] = -1
    label(outputs, "action.emotional_valence")[:, 0] = valence
    label(outputs, "action.context")[:] = log(given.action_context)
    label(outputs, "speech.occurs")[:, 0] = logit(given.speech_occurs)
    label(outputs, "speech.register")[:] = log(given.speech_register)
    label(outputs, "speech.confidence")[:] = 0.7
    label(outputs, "thought.awareness")[:] = CERTAIN * label(labels, "thought.awareness")
    label(outputs, "thought.dominant_emotion_index")[:, 0] = given.dominant
    label(outputs, "emotion.intensity_delta")[:] = mean
    label(outputs, "emotion.awareness_shift")[:] = logit(shift)
    return outputs


def losses(outputs: Float32, labels: Float32) -> dict[str, float]:
    """The trainer's loss terms."""
    heads = {name: torch.from_numpy(outputs[:, PREDICTIONS[name].span]) for name in HEADS}
    return {name: float(term) for name, term in loss_terms(heads, torch.from_numpy(labels)).items()}


@pytest.mark.parametrize("min_coherence", [0.6, 0.95])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_that_knows_the_rules_reaches_exactly_the_irreducible_loss(seed: int, min_coherence: float) -> None:
    """Within the sampling error of 20,000 examples, of which a threshold of 0.95 rejects many."""
    made = simulate(random_descriptors(seed), 20_000, min_coherence)
    assert (len(made.labels) < 18_000) == (min_coherence > 0.9)
    found = losses(ideal_outputs(made.features, made.labels, made.given, made.leaving), made.labels)
    assert found == pytest.approx(made.lowest, rel=0.05, abs=2e-5)
    assert combine(found, HEAD_WEIGHTS).total == pytest.approx(combine(made.lowest, HEAD_WEIGHTS).total, abs=0.01)


def test_another_model_is_worse() -> None:
    made = simulate(load_descriptors(), 20_000, 0.6)
    ideal = ideal_outputs(made.features, made.labels, made.given, made.leaving)
    best = losses(ideal, made.labels)
    noise = np.random.default_rng(0).normal(0, 0.3, ideal.shape).astype(np.float32)
    disturbed = losses(ideal + noise, made.labels)
    # A thought that is certain stays certain under so small a disturbance.
    assert all(disturbed[name] > best[name] for name in best if name != "thought.awareness")
    assert combine(losses(ideal * np.float32(0.8), made.labels), HEAD_WEIGHTS).total > combine(best, HEAD_WEIGHTS).total


def test_taking_no_notice_of_rejection_is_worse_where_much_is_rejected() -> None:
    made = simulate(random_descriptors(1), 20_000, 0.95)
    aware = losses(ideal_outputs(made.features, made.labels, made.given, made.leaving), made.labels)
    unaware = losses(ideal_outputs(made.features, made.labels, made.prior, made.prior_leaving), made.labels)
    for name in ("action.type", "action.context", "emotion.intensity_delta"):
        assert unaware[name] > aware[name], name


def test_rejection_changes_deltas_and_actions_as_enumerated(scenario: MakeScenario) -> None:
    """One scenario, drawn very often: Tender raises two emotions that are strong already; Resist is out of place."""
    made = keep(
        scenario(
            register=EmotionalRegister.TENDER,
            tension=0.2,
            edge={"affection": 0.7},
            emotions={
                JOY: (0.95, AwarenessLevel.ARTICULATE),
                TRUST: (0.9, AwarenessLevel.ARTICULATE),
                ANGER: (0.2, AwarenessLevel.ARTICULATE),
            },
            n=50_000,
        ),
        min_coherence=0.9,
    )
    assert 15_000 < len(made.labels) < 40_000
    mean, square, shift = (values[0] for values in delta_moments(made.features, made.given, made.leaving))
    assert made.given.action_type[0] == pytest.approx(label(made.labels, "action.type").mean(axis=0), abs=0.01)
    assert made.given.action_context[0] == pytest.approx(label(made.labels, "action.context").mean(axis=0), abs=0.01)
    deltas = label(made.labels, "emotion.intensity_delta").astype(np.float64)
    assert mean == pytest.approx(deltas.mean(axis=0), abs=0.0015)
    assert square == pytest.approx((deltas**2).mean(axis=0), abs=0.0003)
    assert shift == pytest.approx(label(made.labels, "emotion.awareness_shift").mean(axis=0), abs=0.004)
    # Without regard to rejection other numbers come out, so the agreement above is no accident.
    prior_mean = delta_moments(made.features, made.prior, made.prior_leaving)[0][0]
    assert np.abs(prior_mean - mean).max() > 0.01
    assert np.abs(made.prior.action_type[0] - made.given.action_type[0]).max() > 0.02
