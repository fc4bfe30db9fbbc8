"""`train-event-classifier`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import click
from storyteller_schema.console import command, err, json_option, out, print_json
from storyteller_schema.settings import ARTIFACTS, training_file

from storyteller_trainer.events.recipe import RECIPES, Precision, Recipe
from storyteller_trainer.events.splits import Strategy
from storyteller_trainer.sample.default import sample_event_file

#: The file of the user's `training-data/` that is trained on when none is named.
TRAINING_FILE = "event_classification.jsonl"
#: What `--task` takes; `all` is what the engine loads: one model for each of two tasks.
TASKS = {"all": ("event", "ner"), "event": ("event",), "ner": ("ner",), "joint": ("joint",)}

#: Value of the recipe to its option and help text.
RECIPE_OPTIONS = {
    "epochs": ("--epochs", "At most this many passes over the data."),
    "batch_size": ("--batch-size", "Sentences in a step."),
    "learning_rate": ("--lr", "Learning rate after the warm-up."),
    "head_rate": ("--head-rate", "Learning rate of the new heads, as a multiple of --lr."),
    "warmup_ratio": ("--warmup-ratio", "Share of the steps over which the learning rate rises."),
    "weight_decay": ("--weight-decay", "Decoupled weight decay, of matrices."),
    "patience": ("--patience", "Stop after this many epochs without a better score."),
    "seed": ("--seed", "Of split, new weights, order and dropout."),
    "ner_weight": ("--ner-weight", "Weight of the entity loss in the joint task."),
}


def _recipe_options(function: Callable[..., None]) -> Callable[..., None]:
    minilm, others = RECIPES["minilm"], Recipe()
    for name, (flag, text) in reversed(RECIPE_OPTIONS.items()):
        here, there = getattr(minilm, name), getattr(others, name)
        shown = f"{here:g}" if here == there else f"minilm {here:g}, others {there:g}"
        function = click.option(flag, name, type=type(here), help=f"{text} [{shown}]")(function)
    return function


def _enum_option(flag: str, kind: type[StrEnum], text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that takes the values of an enum, as its members."""
    choice = click.Choice([member.value for member in kind])
    return click.option(
        flag, type=choice, callback=lambda _, __, value: None if value is None else kind(value), help=text
    )


@command("train-event-classifier")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--task", type=click.Choice(list(TASKS)), default="all", show_default=True, help="all: event, then ner.")
@click.option("--encoder", help="minilm, distilbert, deberta, modernbert, a hub id (owner/name) or a folder. [minilm]")
@_recipe_options
@_enum_option("--split", Strategy, "How the part is drawn that chooses the epoch. [random]")
@_enum_option("--precision", Precision, "Half precision is for CUDA only. [auto]")
@click.option("--device", default="auto", show_default=True, help="auto (MPS, CUDA, CPU), mps, cuda, cuda:N or cpu.")
@click.option(
    "--on-nan", type=click.Choice(["stop", "cpu"]), default="stop", show_default=True, help="cpu: go on there."
)
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path),
    default=ARTIFACTS / "events",
    show_default=True,
    help="Each task gets a folder of its name in it.",
)
@click.option("--resume", is_flag=True, help="Go on with the runs in --output-dir, by their own settings.")
@click.option("--validate-only", is_flag=True, help="List every problem of DATA and its shape; train nothing.")
@json_option
def main(data: Path | None, validate_only: bool, as_json: bool, **options: Any) -> None:
    """Train the event and the entity classifier on DATA, a JSONL file (plain or gzip).

    Two sets are held out and scored: random sentences, and sentences of skeletons that training never saw. Without
    DATA, training-data/event_classification.jsonl of $STORYTELLER_DATA_PATH is taken, or sample data, made on the
    spot, when that is not set. Ctrl-C stops after the step under way with exit code 130; --resume then goes on from
    the last complete epoch, as it does after a crash.

    \b
    Example:
      generate-event-data --output artifacts/data/events.jsonl
      train-event-classifier artifacts/data/events.jsonl --task event --epochs 2
    """
    path = data or training_file(TRAINING_FILE) or sample_event_file(notify)
    try:
        if validate_only:
            _validate(path, as_json)
        else:
            _train(path, as_json, **options)
    except KeyboardInterrupt:
        notify("Stopped by Ctrl-C outside of an epoch; what is complete is on disk, and --resume goes on with it")
        raise click.exceptions.Exit(130) from None


def notify(line: str) -> None:
    """A line for the user, beside the result."""
    err.print(line, markup=False)


def _validate(path: Path, as_json: bool) -> None:
    from storyteller_trainer.events.survey import survey, survey_tables

    found = survey(path)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found))
    else:
        for problem in found.first_problems:
            out.print(f"{path}: {problem}", markup=False)
        if found.problems > len(found.first_problems):
            out.print(f"... and {found.problems - len(found.first_problems)} more")
        for table in survey_tables(found):
            out.print(table)
    if found.problems:
        raise click.exceptions.Exit(1)


def _train(
    path: Path,
    as_json: bool,
    *,
    task: str,
    encoder: str | None,
    device: str,
    on_nan: str,
    output_dir: Path,
    resume: bool,
    **options: Any,
) -> None:
    import msgspec

    from storyteller_trainer.device import choose_device, describe_device
    from storyteller_trainer.events.dataset import load_events
    from storyteller_trainer.events.models import Task
    from storyteller_trainer.events.run import Interrupted, Request, train_classifier
    from storyteller_trainer.events.summary import closing_lines, summary_tables

    place = choose_device(device)
    dataset = load_events(path)
    for line in (*dataset.notices, describe_device(place)):
        notify(line)
    results = {}
    for name in TASKS[task]:
        request = Request(
            task=Task(name),
            folder=output_dir / name,
            encoder=encoder,
            options=options,
            resume=resume,
            cpu_on_nan=on_nan == "cpu",
        )
        try:
            summary = train_classifier(dataset, request, place, notify)
        except Interrupted as stopped:
            notify(f"{stopped}: {stopped.epochs} epochs are saved in {request.folder}")
            notify("Go on with the same command and --resume")
            raise click.exceptions.Exit(130) from None
        results[name] = msgspec.to_builtins(summary)
        if not as_json:
            for table in summary_tables(summary):
                out.print(table)
            for line in closing_lines(summary, request.folder):
                out.print(line, markup=False)
    if as_json:
        print_json(results)
