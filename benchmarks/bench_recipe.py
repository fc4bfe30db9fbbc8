"""What the default recipe gains over the reference, and what each of its ingredients brings, as Markdown tables.

    python benchmarks/bench_recipe.py                                  # default against reference: 3 sets x 3 seeds
    python benchmarks/bench_recipe.py remove add try --seeds 1         # the ablation, with one training seed a set
    python benchmarks/bench_recipe.py compare --sets 101 --seeds 1 --examples 1500 --epochs 3   # a quick look

Every run trains on a sample of its own descriptor set and is judged by its excess over the irreducible loss on
examples from cells that are not in that sample (bench_sets.py). What is done is kept in artifacts/bench_recipe.json
after every run; a run whose recipe, set and seed stand there is not done again. Delete the file after a change of the
code. Each worker is a process with its own threads: the seconds are those of a machine that is shared.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from bench_sets import UnseenSet, cell_names, make_unseen_set, training_plan
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.settings import ARTIFACTS
from storyteller_trainer.character.data.batches import ResidentSource
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.rules.expected import Rules
from storyteller_trainer.character.training.recipe import RECIPES, Recipe
from storyteller_trainer.character.training.train import Trainer
from storyteller_trainer.runs.device import subnormals_as_zero
from storyteller_trainer.sample.character.axis_places import axis_places
from storyteller_trainer.sample.character.generate import SampleDataset, generate_dataset

RESULTS = ARTIFACTS / "bench_recipe.json"

#: Ingredient to the values of a recipe that it consists of. Taken away, they are the reference's; added, the default's.
INGREDIENTS: dict[str, tuple[str, ...]] = {
    "muon": ("optimizer", "learning_rate"),
    "step units": ("step_units",),
    "augment": ("augment",),
    "expected labels": ("expected_labels",),
    "averaging": ("averaging",),
    "bfloat16": ("precision",),
    "schedule": ("schedule", "epochs", "patience", "batch_size"),
    "dropout": ("dropout",),
}

#: What was tried and is in neither preset.
TRIED: dict[str, dict[str, Any]] = {
    "standardize": {"standardize": True},
    "weight_decay 0.02": {"weight_decay": 0.02},
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training run to be done."""

    #: `reference`, `default`, `default - muon`, `reference + muon`.
    name: str
    #: The descriptor set, as in `bench_sets.find_set`.
    descriptors: str
    examples: int
    test_examples: int
    #: Every value, the training seed among them.
    recipe: dict[str, Any]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What it came to."""

    run: Run
    #: Loss above the irreducible one, on cells that are not in the training file.
    excess: float
    #: Irreducible loss of the test set.
    irreducible: float
    #: The lowest validation loss, and the epoch it belongs to.
    val_loss: float
    best_epoch: int
    epochs: int
    #: Spent in the training loop.
    seconds: float


def recipes(what: Iterable[str]) -> dict[str, Recipe]:
    """Name to recipe of `compare`, `remove`, `add` or `try`; all come with what they are compared with."""
    default, reference = RECIPES["default"], RECIPES["reference"]
    chosen: dict[str, Recipe] = {}
    for kind in what:
        if kind in ("compare", "add", "try"):
            chosen["reference"] = reference
        if kind in ("compare", "remove", "try"):
            chosen["default"] = default
        for ingredient, names in INGREDIENTS.items():
            if kind == "remove":
                options = {name: getattr(reference, name) for name in names}
                chosen[f"default - {ingredient}"] = default.with_options(**options)
            if kind == "add":
                options = {name: getattr(default, name) for name in names}
                chosen[f"reference + {ingredient}"] = reference.with_options(**options)
        if kind == "try":
            for tried, values in TRIED.items():
                chosen[f"default + {tried}"] = default.with_options(**values)
                chosen[f"reference + {tried}"] = reference.with_options(**values)
    return chosen


def plan_runs(
    chosen: dict[str, Recipe], sets: Sequence[str], seeds: Sequence[int], examples: int, epochs: int | None
) -> list[Run]:
    """Every recipe on every set with every training seed; the first seed of all comes before the second of any."""
    return [
        Run(
            name=name,
            descriptors=descriptors,
            examples=examples,
            test_examples=2 * examples,
            recipe=recipe.with_options(seed=seed, epochs=epochs).as_dict(),
        )
        for seed in seeds
        for descriptors in sets
        for name, recipe in chosen.items()
    ]


class _Data(NamedTuple):
    sample: SampleDataset
    test: UnseenSet


@cache
def _data(descriptors: str, examples: int, test_examples: int) -> _Data:
    plan = training_plan(descriptors, examples)
    return _Data(generate_dataset(plan.descriptors, plan.config), make_unseen_set(plan, test_examples))


@subnormals_as_zero()
def execute(run: Run) -> Result:
    """Trains, keeps the best epoch of the validation side, and judges it on the test set."""
    sample, test = _data(run.descriptors, run.examples, run.test_examples)
    recipe = Recipe(**run.recipe)
    split = split_by_cell(sample.cells.astype(np.int32), cell_names(sample.plan), recipe.val_fraction, recipe.seed)
    start = time.perf_counter()
    labels = sample.labels
    places = axis_places(sample.plan.descriptors)
    if recipe.expected_labels:
        rules = Rules(
            archetypes=sample.plan.cells.archetype_a[sample.cells],
            places=places,
            min_coherence=sample.plan.config.min_coherence,
        )
        labels = rules.expected(sample.features, labels, np.arange(len(labels)))
    device = torch.device("cpu")
    train = ResidentSource.of(sample.features[split.train], labels[split.train], device)
    validation = ResidentSource.of(sample.features[split.validation], sample.labels[split.validation], device)
    trainer = Trainer(recipe, train, validation, places)
    best = copy.deepcopy(trainer.model)
    while not trainer.should_stop():
        if trainer.run_epoch().number == trainer.train_state.best_epoch:
            best.load_state_dict(trainer.model.state_dict())
    seconds = time.perf_counter() - start
    state = trainer.train_state
    if state.best_loss is None:
        raise StorytellerError(f"{run.name} ran no epoch")
    return Result(
        run=run,
        excess=test.excess(best),
        irreducible=test.irreducible,
        val_loss=state.best_loss,
        best_epoch=state.best_epoch,
        epochs=state.epoch,
        seconds=seconds,
    )


def read_results(path: Path) -> list[Result]:
    """What earlier calls left.

    Raises:
        StorytellerError: the file holds something else.
    """
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Result])
    except msgspec.DecodeError as error:
        raise StorytellerError(f"{path}: not the results of this script ({error}); delete it") from error


def run_all(runs: Sequence[Run], path: Path, workers: int, threads: int) -> list[Result]:
    """Does what is not done yet, writes `path` after each run, and returns the results of all runs asked for."""
    results = read_results(path)
    known = {msgspec.json.encode(result.run) for result in results}
    missing = [run for run in runs if msgspec.json.encode(run) not in known]
    print(f"{len(runs) - len(missing)} of {len(runs)} runs stand in {path}", file=sys.stderr)
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Forked children would share the parent's thread pool of torch.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, torch.set_num_threads, (threads,)) as pool:
            for done, future in enumerate(as_completed([pool.submit(execute, run) for run in missing]), start=1):
                result = future.result()
                results.append(result)
                write_atomic(path, msgspec.json.format(msgspec.json.encode(results)) + b"\n")
                run = result.run
                print(
                    f"{done}/{len(missing)}  set {run.descriptors}  seed {run.recipe['seed']}  {run.name}: "
                    f"excess {result.excess:.4f}, {result.epochs} epochs, {result.seconds:.0f} s",
                    file=sys.stderr,
                )
    wanted = {msgspec.json.encode(run) for run in runs}
    return [result for result in results if msgspec.json.encode(result.run) in wanted]


# --- tables -------------------------------------------------------------------------------------------------------


def _by_name(results: Iterable[Result]) -> dict[str, dict[tuple[str, int], Result]]:
    """Name of the recipe to (set, seed) to the result."""
    found: dict[str, dict[tuple[str, int], Result]] = {}
    for result in results:
        found.setdefault(result.run.name, {})[result.run.descriptors, result.run.recipe["seed"]] = result
    return found


def _spread(values: Sequence[float], digits: int = 4) -> str:
    """Mean, and the standard deviation where there are several."""
    shown = f"{statistics.mean(values):.{digits}f}"
    return f"{shown} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else shown


def comparison_table(results: Sequence[Result]) -> list[str]:
    """Default against reference, set by set: excess, ratio run by run, seconds in the loop."""
    named = _by_name(results)
    pairs = sorted(named.get("reference", {}).keys() & named.get("default", {}).keys())
    if not pairs:
        return []
    lines = [
        "| set | runs | reference: excess | default: excess | ratio | reference: seconds | default: seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]

    def row(title: str, keys: Sequence[tuple[str, int]]) -> str:
        reference = [named["reference"][key] for key in keys]
        default = [named["default"][key] for key in keys]
        ratios = [ours.excess / theirs.excess for ours, theirs in zip(default, reference, strict=True)]
        cells = (
            _spread([result.excess for result in reference]),
            _spread([result.excess for result in default]),
            _spread(ratios, 3),
            _spread([result.seconds for result in reference], 0),
            _spread([result.seconds for result in default], 0),
        )
        return f"| {title} | {len(keys)} | {' | '.join(cells)} |"

    for descriptors in dict.fromkeys(key[0] for key in pairs):
        lines.append(row(descriptors, [key for key in pairs if key[0] == descriptors]))
    lines.append(row("all", pairs))
    return lines


def ablation_table(results: Sequence[Result], base: str, sign: str) -> list[str]:
    """What each ingredient changes when it is removed from `base` (sign -) or added to it (sign +)."""
    named = _by_name(results)
    rows = []
    for ingredient in (*INGREDIENTS, *TRIED):
        changed = named.get(f"{base} {sign} {ingredient}", {})
        keys = sorted(changed.keys() & named.get(base, {}).keys())
        if keys:
            differences = [changed[key].excess - named[base][key].excess for key in keys]
            relative = [changed[key].excess / named[base][key].excess - 1 for key in keys]
            cells = (
                str(len(keys)),
                _spread([changed[key].excess for key in keys]),
                _spread(differences),
                f"{statistics.mean(relative):+.0%}",
                _spread([changed[key].seconds for key in keys], 0),
            )
            rows.append((statistics.mean(differences), f"| {base} {sign} {ingredient} | {' | '.join(cells)} |"))
    if not rows:
        return []
    heading = ["| recipe | runs | excess | change | relative | seconds |", "|---|---:|---:|---:|---:|---:|"]
    # What matters most stands first: what hurts most when removed, what helps most when added.
    return [*heading, *(line for _, line in sorted(rows, reverse=sign == "-"))]


def tables(results: Sequence[Result]) -> str:
    """All that the results allow."""
    blocks = (
        comparison_table(results),
        ablation_table(results, "default", "-"),
        ablation_table(results, "reference", "+"),
        ablation_table(results, "default", "+"),
    )
    return "\n\n".join("\n".join(block) for block in blocks if block)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs what is asked for and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="compare|remove|add|try", help="compare, unless named otherwise")
    parser.add_argument("--sets", nargs="+", default=["201", "202", "203"], help="descriptor sets: seeds, or shipped")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="training seeds")
    parser.add_argument("--examples", type=int, default=15_000, help="of a training set, validation side included")
    parser.add_argument("--epochs", type=int, help="in place of each recipe's own number")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    what = options.what or ["compare"]
    if unknown := set(what) - {"compare", "remove", "add", "try"}:
        parser.error(f"{', '.join(sorted(unknown))}: expected compare, remove, add or try")
    runs = plan_runs(recipes(what), options.sets, options.seeds, options.examples, options.epochs)
    try:
        print(tables(run_all(runs, options.output, options.workers, options.threads)))
    except StorytellerError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
