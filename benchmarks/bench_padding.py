"""How much faster training is when a batch is padded to its longest sentence and holds sentences of similar length.

    .venv/bin/python benchmarks/bench_padding.py artifacts/data/events.jsonl --encoder minilm --steps 20

Prints examples a second for three ways of making batches and their ratios to the first: every sentence padded to 128
tokens, padded to the longest of a random batch, and padded to the longest of a batch of similar lengths (as training
does). The three take their steps in turn, so that other work on the machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from storyteller_schema.contract.events import MAX_SEQ_LENGTH
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.encoding import Batch, Encoded, collate, encode, training_order
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.encoders import load_encoder
from storyteller_trainer.events.training.recipe import recipe_for
from storyteller_trainer.events.training.train import Trainer, TrainingData
from storyteller_trainer.runs.device import AUTO, choose_device, describe_device
from storyteller_trainer.runs.threads import choose_threads

SEED = 42


def random_batches(items: Sequence[Encoded], size: int) -> Iterator[list[Encoded]]:
    """Batches of an epoch in random order."""
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(SEED)).tolist()
    for start in range(0, len(items), size):
        yield [items[index] for index in order[start : start + size]]


def grouped_batches(items: Sequence[Encoded], size: int) -> Iterator[list[Encoded]]:
    """Batches of an epoch of training."""
    for rows in training_order([len(item.ids) for item in items], size, torch.Generator().manual_seed(SEED)):
        yield [items[row] for row in rows]


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--task", type=Task, choices=list(Task), default=Task.NER)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default=AUTO)
    options = parser.parse_args()

    encoder = load_encoder(options.encoder)
    items = encode(load_events(options.data).examples, encoder.tokenizer).items
    recipe = recipe_for(options.encoder)
    device = choose_device(options.device)
    torch.set_num_threads(choose_threads(device, None, None, print))
    trainer = Trainer(options.task, recipe, encoder, TrainingData(items, items), device)

    ways: dict[str, tuple[Iterator[list[Encoded]], Callable[[list[Encoded]], Batch]]] = {
        "padded to 128": (random_batches(items, recipe.batch_size), lambda batch: collate(batch, MAX_SEQ_LENGTH)),
        "dynamic": (random_batches(items, recipe.batch_size), collate),
        "dynamic, grouped by length": (grouped_batches(items, recipe.batch_size), collate),
    }
    seconds = dict.fromkeys(ways, 0.0)
    examples = dict.fromkeys(ways, 0)
    tokens = dict.fromkeys(ways, 0)
    for step in range(options.steps + 1):
        for name, (batches, make) in ways.items():
            started = time.perf_counter()
            chosen = next(batches)
            batch = make(chosen)
            trainer.step(batch.to(device), recipe.learning_rate, name)
            if step == 0:  # the first step of each also allocates
                continue
            seconds[name] += time.perf_counter() - started
            examples[name] += len(chosen)
            tokens[name] += batch.input_ids.numel()

    print(describe_device(device))
    print(f"{options.encoder}, task {options.task}: {options.steps} steps of {recipe.batch_size} sentences each")
    rates = {name: examples[name] / seconds[name] for name in ways}
    for name, rate in rates.items():
        ratio, width = rate / rates["padded to 128"], tokens[name] / examples[name]
        print(f"{name:28} {rate:8.1f} examples/s {ratio:6.2f} x {width:6.1f} tokens a sentence")


if __name__ == "__main__":
    main()
