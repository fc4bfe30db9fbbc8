"""What changes in training do to sentences of unseen skeletons and to prose: each variant on several seeds.

    .venv/bin/python benchmarks/bench_generalisation.py artifacts/data/events.jsonl --seeds 1 2 3 --results FILE

Every run is appended to FILE as a JSON line, and a run that stands there, of the same recipe and data, is not repeated:
a comparison of hours can be made in pieces. A seed draws the split, too, so the sets of two seeds are not the same:
beside each mean stands the mean difference to the recipe on the same seed, with the standard deviation of these
differences.

To choose by this table, look at the unseen skeletons: prose is for reporting. Leave the seed out that is published.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import msgspec
import torch
from storyteller_schema.contract.onnx import PAD_ID
from storyteller_trainer.events.data.dataset import EventDataset, load_events
from storyteller_trainer.events.data.encoding import Batch, Encoded, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.split import split
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.encoders import Encoder, load_encoder
from storyteller_trainer.events.training.recipe import Recipe, recipe_for
from storyteller_trainer.events.training.train import Trainer, TrainingData
from storyteller_trainer.runs.device import AUTO, choose_device
from storyteller_trainer.runs.threads import choose_threads, computing_by
from storyteller_trainer.sample.events.prose import load_prose
from torch import Tensor

SETS = ("random", "skeletons", "prose")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a run differs from the recipe."""

    recipe: dict[str, Any] = field(default_factory=dict)
    #: Share of the words that become the mask token in a training step, drawn anew each time.
    masked: float = 0.0

    #: The word embeddings stay as they were pre-trained.
    frozen_words: bool = False

    #: Each layer's learning rate is that of the layer above it, times this.
    layer_decay: float = 1.0


#: `recipe` is the encoder's recipe as it stands; the others differ from it in one thing.
VARIANTS = {
    "recipe": Variant(),
    "heads x 1": Variant(recipe={"head_rate": 1.0}),
    "heads x 10": Variant(recipe={"head_rate": 10.0}),
    "masked 15 %": Variant(masked=0.15),
    "frozen words": Variant(frozen_words=True),
    "layer decay 0.8": Variant(layer_decay=0.8),
    "2 epochs": Variant(recipe={"epochs": 2}),
}


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One run: macro F1 of the kinds or F1 of the entities, by set."""

    task: Task
    encoder: str
    variant: str
    recipe: Recipe
    #: SHA-256, hex, of the data.
    data_hash: str
    scores: dict[str, float]
    seconds: float


class VariantTrainer(Trainer):
    """The trainer with what a variant changes."""

    def __init__(
        self, variant: Variant, task: Task, recipe: Recipe, encoder: Encoder, data: TrainingData, device: torch.device
    ) -> None:
        super().__init__(task, recipe, encoder, data, device)
        self.variant = variant
        #: Padding, and what begins and ends a text: never masked.
        self.special = torch.tensor([PAD_ID, *data.train[0].ids[data.train[0].special]], device=device)
        self.mask_id = encoder.tokenizer.get_vocab()["[MASK]"]
        # Weights without a gradient are left alone by the optimizer.
        self.model.encoder.get_input_embeddings().requires_grad_(not variant.frozen_words)
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        self.optimizer.param_groups = [
            group | {"params": [parameter], "rate": group["rate"] * self._scale(names[parameter])}
            for group in self.optimizer.param_groups
            for parameter in group["params"]
        ]

    def step(self, batch: Batch, learning_rate: float, place: str) -> dict[str, float]:
        """As the trainer's, on masked words; what is drawn for that does not depend on the variant."""
        hit = torch.rand(batch.input_ids.shape) < self.variant.masked
        hit = hit.to(self.device) & torch.isin(batch.input_ids, self.special, invert=True)
        return super().step(
            replace(batch, input_ids=batch.input_ids.masked_fill(hit, self.mask_id)), learning_rate, place
        )

    def _scale(self, name: str) -> float:
        """What the learning rate of a parameter is multiplied with for the depth it stands at."""
        if not name.startswith("encoder."):
            return 1.0
        layer = re.search(r"layers?\.(\d+)\.", name)
        layers = int(self.model.encoder.config.num_hidden_layers)
        return float(self.variant.layer_decay ** (layers - 1 - int(layer[1]) if layer else layers))


def run(task: Task, encoder_name: str, name: str, recipe: Recipe, dataset: EventDataset, device: torch.device) -> Score:
    """Trains one variant and scores its best epoch."""
    encoder = load_encoder(encoder_name)
    parts = split(dataset.examples, recipe.split, recipe.seed)

    def items(part: Sequence[EventExample]) -> list[Encoded]:
        return encode(part, encoder.tokenizer).items

    data = TrainingData(items(parts.train), items(parts.validation))
    trainer = VariantTrainer(VARIANTS[name], task, recipe, encoder, data, device)
    best: dict[str, Tensor] = {}
    while not trainer.should_stop():
        if trainer.run_epoch().number == trainer.train_state.best_epoch:
            best = copy.deepcopy(trainer.model.state_dict())
    trainer.model.load_state_dict(best)
    held_out = dict(zip(SETS, (parts.random, parts.skeletons, load_prose()), strict=True))
    scores = {part: trainer.evaluate(items(sentences)).score for part, sentences in held_out.items()}
    return Score(
        task=task,
        encoder=encoder_name,
        variant=name,
        recipe=recipe,
        data_hash=dataset.content_hash,
        scores=scores,
        seconds=trainer.train_state.seconds,
    )


def show(found: Sequence[Score]) -> None:
    """Prints a line for each variant: the mean over its seeds, and the mean difference to the recipe."""
    recipe = {one.recipe.seed: one.scores for one in found if one.variant == "recipe"}
    print(f"{'variant':24}{'seeds':>6}" + "".join(f"{part:>30}" for part in SETS))
    for name in dict.fromkeys(one.variant for one in found):
        runs = [one for one in found if one.variant == name]
        line = f"{name:24}{len(runs):6}"
        for part in SETS:
            line += f"{mean(one.scores[part] for one in runs):12.4f}"
            differences = [one.scores[part] - recipe[seed][part] for one in runs if (seed := one.recipe.seed) in recipe]
            spread = f" ± {stdev(differences):.4f}" if len(differences) > 1 else " " * 9
            line += f" {mean(differences):+.4f}{spread}" if differences and name != "recipe" else " " * 17
        print(line)


def main() -> None:
    """Makes the runs that are missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--task", type=Task, choices=list(Task), default=Task.EVENT)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--device", default=AUTO)
    options = parser.parse_args()

    dataset = load_events(options.data)
    lines = options.results.read_bytes().splitlines() if options.results.exists() else []
    known = [msgspec.json.decode(line, type=Score) for line in lines]
    found: list[Score] = []
    for seed in options.seeds:
        for name in options.variants:
            recipe = recipe_for(options.encoder).with_options(seed=seed, **VARIANTS[name].recipe)
            key = (options.task, options.encoder, name, recipe, dataset.content_hash)
            done = [one for one in known if (one.task, one.encoder, one.variant, one.recipe, one.data_hash) == key]
            if not done:
                device = choose_device(options.device)
                with computing_by(choose_threads(device, None, None, partial(print, file=sys.stderr))):
                    done = [run(options.task, options.encoder, name, recipe, dataset, device)]
                with options.results.open("ab") as file:
                    file.write(msgspec.json.encode(done[0]) + b"\n")
            found.append(done[0])
    show(found)


if __name__ == "__main__":
    main()
