"""What annotated sentences of real text bring: the entities of held-out books, by how many sentences were imported.

    benchmarks/bench_learning_curve.py artifacts/events/ner artifacts/data/events.jsonl annotated.jsonl held_out.jsonl

Goes on from the model of a finished run, for each count of imported sentences anew: some epochs over its sentences,
each `--repeat` times, together with `--sample` sentences of those that the run was trained on, so that nothing of it is
forgotten. That is far cheaper than training each point from the beginning. The sentences of a smaller count are among
those of a larger one. The heads learn at the encoder's rate: they are not new any more.

Beside CHARACTER, COLLECTIVE and LOCATION stands `persons`: the first two taken together, for annotations that do not
divide them. Prose is the set of this workspace, all categories, and its score is that of `evaluate-classifier`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch
from storyteller_schema.contract.events import EntityCategory, Span
from storyteller_schema.contract.spans import assemble_spans
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.encoding import Encoded, collate, encode, evaluation_order
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.partial import comparable
from storyteller_trainer.events.data.split import split
from storyteller_trainer.events.model.checkpoint import load_event_checkpoint
from storyteller_trainer.events.model.classifiers import Task, named_logits
from storyteller_trainer.events.model.encoders import load_encoder
from storyteller_trainer.events.model.metrics import entity_scores
from storyteller_trainer.events.training.recipe import recipe_for
from storyteller_trainer.events.training.train import Trainer, TrainingData
from storyteller_trainer.runs.device import AUTO, choose_device
from storyteller_trainer.runs.threads import computing_by
from storyteller_trainer.sample.events.prose import load_prose

#: Persons and groups; some annotations do not tell the two apart.
PERSONS = frozenset({EntityCategory.CHARACTER, EntityCategory.COLLECTIVE})


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The scores after so many imported sentences: F1 of exact spans."""

    sentences: int
    persons: float
    places: float
    prose: float


def predicted(trainer: Trainer, items: Sequence[Encoded]) -> list[list[Span]]:
    """The spans that the present weights find in each item."""
    trainer.model.eval()
    found: list[list[Span]] = [[] for _ in items]
    with torch.no_grad():
        for rows in evaluation_order([len(item.ids) for item in items], trainer.recipe.batch_size):
            batch = collate([items[row] for row in rows]).to(trainer.device)
            labels = named_logits(trainer.model, batch.input_ids, batch.attention_mask)["ner"].argmax(-1).tolist()
            for row, line in zip(rows, labels, strict=True):
                item = items[row]
                tokens = line[: len(item.ids)]
                found[row] = assemble_spans(tokens, [1.0] * len(tokens), item.offsets, item.special)
    return found


def score(trainer: Trainer, held_out: Sequence[Encoded], prose: Sequence[Encoded], sentences: int) -> Point:
    """The present weights on both sets."""
    pairs = [
        comparable(item.spans, spans, item.categories, item.several)
        for item, spans in zip(held_out, predicted(trainer, held_out), strict=True)
    ]

    def f1(categories: frozenset[EntityCategory]) -> float:
        sides: tuple[list[list[Span]], list[list[Span]]] = ([], [])
        for pair in pairs:
            for side, spans in zip(sides, pair, strict=True):
                kept = [span for span in spans if span.category in categories]
                side.append([Span(span.start, span.end, min(categories)) for span in kept])
        return entity_scores(*sides).micro.f1

    on_prose = entity_scores([item.spans for item in prose], predicted(trainer, prose)).micro.f1
    return Point(
        sentences=sentences, persons=f1(PERSONS), places=f1(frozenset({EntityCategory.LOCATION})), prose=on_prose
    )


def curve(options: argparse.Namespace) -> list[Point]:
    """Trains every point, and prints each as it is done."""
    device = choose_device(options.device)
    trained = load_event_checkpoint(options.run)
    recipe = recipe_for(trained.metadata.encoder).with_options(
        seed=options.seed, epochs=options.epochs, learning_rate=options.lr, head_rate=1.0
    )

    def items(examples: Sequence[EventExample]) -> list[Encoded]:
        return encode(examples, trained.tokenizer).items

    def start(train: list[Encoded]) -> Trainer:
        encoder = load_encoder(trained.metadata.encoder)
        trainer = Trainer(Task.NER, recipe, encoder, TrainingData(train, train[:1]), device)
        trainer.model.load_state_dict(trained.model.state_dict())
        return trainer

    parts = split(load_events(options.sample_data).examples, trained.metadata.split, trained.metadata.seed)
    draw = random.Random(options.seed)
    sample = items(draw.sample(parts.train, min(options.sample, len(parts.train))))
    imported = load_events(options.imported).examples
    draw.shuffle(imported)
    held_out, prose = items(load_events(options.held_out).examples), items(load_prose())
    points = [score(start(sample), held_out, prose, 0)]
    print(f"{'sentences':>9}{'persons':>10}{'places':>10}{'prose':>10}")
    print(_line(points[0]), flush=True)
    for count in options.counts:
        trainer = start(items(imported[:count]) * options.repeat + sample)
        while not trainer.should_stop():
            trainer.run_epoch()
        points.append(score(trainer, held_out, prose, min(count, len(imported))))
        print(_line(points[-1]), flush=True)
    return points


def _line(point: Point) -> str:
    return f"{point.sentences:9}{point.persons:10.3f}{point.places:10.3f}{point.prose:10.3f}"


def main() -> None:
    """Prints the curve, and writes it where `--results` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a finished run of the task ner")
    parser.add_argument("sample_data", type=Path, help="what it was trained on")
    parser.add_argument("imported", type=Path)
    parser.add_argument("held_out", type=Path, help="imported sentences of other books")
    parser.add_argument("--counts", type=int, nargs="+", default=[25, 50, 100, 200, 500])
    parser.add_argument("--repeat", type=int, default=3, help="how often an epoch has each imported sentence")
    parser.add_argument("--sample", type=int, default=1000, help="sentences of the sample data in each epoch")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default=AUTO)
    parser.add_argument("--results", type=Path, help="JSON Lines, a point a line")
    options = parser.parse_args()
    with computing_by(options.threads):
        points = curve(options)
    if options.results:
        options.results.write_bytes(msgspec.json.Encoder().encode_lines(points))


if __name__ == "__main__":
    main()
