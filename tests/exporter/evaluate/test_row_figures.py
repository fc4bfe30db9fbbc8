from __future__ import annotations

import numpy as np
import pytest
import torch
from storyteller_exporter.evaluate.row_figures import hits, row_losses, row_terms
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.model.head_weights import HEAD_WEIGHTS
from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.model.metrics import MetricsCounter


@pytest.fixture(scope="module")
def labels(sample: str) -> np.ndarray:
    return np.asarray(load_dataset(sample, None).labels)


@pytest.fixture(scope="module")
def logits(labels: np.ndarray) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 3, labels.shape).astype(np.float32)


def test_the_means_are_the_trainer_s_losses(logits: np.ndarray, labels: np.ndarray) -> None:
    heads = {region.name: torch.from_numpy(logits[:, region.span]) for region in PREDICTIONS.regions}
    expected = loss_terms(heads, torch.from_numpy(labels))
    terms = row_terms(logits, labels)
    assert {name: term.mean() for name, term in terms.items()} == pytest.approx(
        {name: float(term) for name, term in expected.items()}, rel=1e-5
    )
    total = float(torch.tensor(list(HEAD_WEIGHTS.values())) @ head_losses(expected))
    assert row_losses(terms, HEAD_WEIGHTS)["total"].mean() == pytest.approx(total, rel=1e-5)


def test_the_hits_are_the_trainer_s_accuracies(logits: np.ndarray, labels: np.ndarray) -> None:
    counter = MetricsCounter()
    counter.add(logits, labels)
    metrics = counter.result()
    found = {name: right.sum() / known.sum() for name, (known, right) in hits(logits, labels).items()}
    for name, field in metrics.categorical.items():
        assert found[name] == pytest.approx(field.accuracy)
    assert found["speech.occurs"] == pytest.approx(metrics.binary["speech.occurs"].as_engine.accuracy)
    assert found["thought.dominant_emotion_index"] == pytest.approx(
        metrics.continuous["thought.dominant_emotion_index"].accuracy
    )
