"""The comparison of recipes trains what it says, and no run twice."""

from __future__ import annotations

import sys
from pathlib import Path

import bench_generalisation
import msgspec
import numpy as np
import pytest
import torch
from bench_generalisation import VARIANTS, Score, Variant, VariantTrainer
from storyteller_trainer.events.data.encoding import Batch, collate, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.encoders import load_encoder
from storyteller_trainer.events.training.recipe import Recipe
from storyteller_trainer.events.training.train import Trainer, TrainingData

RECIPE = Recipe(epochs=1, batch_size=8, weight_decay=0.0)


def trainer(variant: Variant, encoder_name: str, examples: list[EventExample]) -> VariantTrainer:
    encoder = load_encoder(encoder_name)
    items = encode(examples[:16], encoder.tokenizer).items
    return VariantTrainer(variant, Task.EVENT, RECIPE, encoder, TrainingData(items, items), torch.device("cpu"))


def test_a_table_of_all_runs_and_no_run_twice(
    data_file: Path,
    tiny_bert: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench_generalisation, "recipe_for", lambda name: RECIPE)
    arguments = [str(data_file), "--encoder", tiny_bert, "--device", "cpu", "--results", str(tmp_path / "runs.jsonl")]
    for variants in (["recipe"], ["recipe", "masked 15 %"]):
        monkeypatch.setattr(sys, "argv", ["x", *arguments, "--seeds", "1", "2", "--variants", *variants])
        bench_generalisation.main()
    runs = [msgspec.json.decode(line, type=Score) for line in (tmp_path / "runs.jsonl").read_bytes().splitlines()]
    made = [(run.variant, run.recipe.seed) for run in runs]
    assert made == [("recipe", 1), ("recipe", 2), ("masked 15 %", 1), ("masked 15 %", 2)]
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("masked")]
    differences = [late.scores["prose"] - early.scores["prose"] for early, late in zip(runs[:2], runs[2:], strict=True)]
    assert f"{sum(differences) / 2:+.4f} ± " in rows[0]


def test_words_are_masked_and_special_tokens_are_not(
    tiny_bert: str, examples: list[EventExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[Batch] = []
    monkeypatch.setattr(Trainer, "step", lambda self, batch, rate, place: batches.append(batch))
    learner = trainer(Variant(masked=1.0), tiny_bert, examples)
    learner.step(collate(learner.data.train), 1e-3, "here")
    for item, ids in zip(learner.data.train, batches[0].input_ids.tolist(), strict=True):
        expected = np.where(item.special, item.ids, learner.mask_id).tolist()
        assert ids == expected + [0] * (len(ids) - len(expected))


def test_frozen_words_do_not_move_and_lower_layers_move_less(tiny_bert: str, examples: list[EventExample]) -> None:
    learner = trainer(Variant(frozen_words=True, layer_decay=0.5), tiny_bert, examples)
    before = {name: tensor.clone() for name, tensor in learner.model.named_parameters()}
    learner.step(collate(learner.data.train), 1e-3, "here")
    moved = {name: (tensor - before[name]).abs().max().item() for name, tensor in learner.model.named_parameters()}
    assert moved["encoder.embeddings.word_embeddings.weight"] == 0
    layers = int(learner.model.encoder.config.num_hidden_layers)
    for layer in range(layers):
        weights = f"encoder.encoder.layer.{layer}.output.dense.weight"
        # Adam's first step moves a weight by its learning rate.
        assert moved[weights] == pytest.approx(1e-3 * 0.5 ** (layers - 1 - layer), rel=0.01)
    assert moved["event_head.weight"] == pytest.approx(1e-3, rel=0.01)


def test_the_recipe_is_among_the_variants_unchanged() -> None:
    assert VARIANTS["recipe"] == Variant()
