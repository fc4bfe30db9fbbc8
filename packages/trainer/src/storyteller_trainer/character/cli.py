"""`train-character-model`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from storyteller_schema.console import command, err, json_option, out, print_json
from storyteller_schema.settings import ARTIFACTS, training_file

from storyteller_trainer.character.launch import launch, one_voice, started_by_torchrun
from storyteller_trainer.character.recipe import CHOICES, DEFAULT_RECIPE, RECIPES
from storyteller_trainer.sample.default import sample_character_file

#: The file of the user's `training-data/` that is trained on when none is named.
TRAINING_FILE = "low_fantasy_folklore.jsonl"
#: This module, for `python -m`.
MODULE = "storyteller_trainer.character.cli"

#: Value of the recipe to its option and help text.
RECIPE_OPTIONS = {
    "epochs": ("--epochs", "At most this many passes over the data."),
    "batch_size": ("--batch-size", "Examples in a step."),
    "accumulate": ("--accumulate", "Parts of a batch that are worked on one after the other."),
    "optimizer": ("--optimizer", "adamw, or muon with adamw for what is no hidden matrix."),
    "learning_rate": ("--lr", "Highest learning rate of AdamW."),
    "muon_learning_rate": ("--muon-lr", "Highest learning rate of Muon."),
    "weight_decay": ("--weight-decay", "Decoupled weight decay."),
    "dropout": ("--dropout", "Share of the trunk's units that a step leaves out."),
    "standardize": ("--standardize", "Train on standardised inputs; the saved network takes raw ones."),
    "augment": ("--augment", "Vary in each batch what the labels do not depend on."),
    "averaging": ("--averaging", "Share that the running average of the weights keeps at a step."),
    "thought_emphasis": ("--thought-emphasis", "Factor of the thought head's loss while training."),
    "auxiliary": ("--auxiliary", "Weight of the second reading of the dominant emotion while training."),
    "schedule": ("--schedule", "plateau, or linear: warm-up, then a straight line to 0."),
    "warmup": ("--warmup", "Share of the steps, for the linear schedule."),
    "lr_factor": ("--lr-factor", "The learning rate is multiplied by this on a plateau."),
    "lr_patience": ("--lr-patience", "Epochs without improvement that are not yet a plateau."),
    "patience": ("--patience", "Stop after this many epochs without improvement."),
    "min_delta": ("--min-delta", "The smallest improvement of the loss that counts for --patience."),
    "seed": ("--seed", "Of split, first weights, order and dropout."),
    "val_fraction": ("--val-fraction", "Share of the examples to validate on."),
    "action_weight": ("--action-weight", "Weight of the action head in the loss."),
    "speech_weight": ("--speech-weight", "Weight of the speech head."),
    "thought_weight": ("--thought-weight", "Weight of the thought head."),
    "emotion_weight": ("--emotion-weight", "Weight of the emotion head."),
}


def _recipe_options(function: Callable[..., None]) -> Callable[..., None]:
    for name, (flag, text) in reversed(RECIPE_OPTIONS.items()):
        values = {preset: getattr(recipe, name) for preset, recipe in RECIPES.items()}
        default = values[DEFAULT_RECIPE]
        if len(set(values.values())) == 1:
            shown = _shown(default)
        else:
            shown = ", ".join(f"{preset} {_shown(value)}" for preset, value in values.items())
        if isinstance(default, bool):
            flag = f"{flag}/--no-{flag.removeprefix('--')}"
        kind = click.Choice(CHOICES[name]) if name in CHOICES else type(default)
        function = click.option(flag, name, type=kind, default=None, help=f"{text} [{shown}]")(function)
    return function


def _shown(value: float | str) -> str:
    """A default as it stands in the help."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"


@command("train-character-model")
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--recipe", "preset", type=click.Choice(list(RECIPES)), help=f"The values that no option gives. [{DEFAULT_RECIPE}]"
)
@_recipe_options
@click.option("--device", default="auto", show_default=True, help="auto (MPS, CUDA, CPU), mps, cuda, cuda:N or cpu.")
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path),
    default=ARTIFACTS / "character",
    show_default=True,
    help="Where checkpoints and history go.",
)
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    default=ARTIFACTS / "cache",
    show_default=True,
    help="Where parsed data is kept for the next start.",
)
@click.option(
    "--memory-limit",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="GB of features up to which DATA is held in memory; more is read from the cache in blocks.",
)
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Train by that many.")
@click.option("--resume", is_flag=True, help="Go on with the run in --output-dir, by its own recipe.")
@click.option("--validate-only", is_flag=True, help="List every problem of DATA and its shape; train nothing.")
@json_option
def main(data: tuple[Path, ...], processes: int, validate_only: bool, as_json: bool, **options: Any) -> None:
    """Train the character model on DATA: JSONL files (plain or gzip), folders of them, or patterns ('data/*.jsonl').

    Without DATA, training-data/low_fantasy_folklore.jsonl of $STORYTELLER_DATA_PATH is taken, or sample data, made on
    the spot, when that is not set. Ctrl-C stops after the step under way with exit code 130; --resume then goes on
    from the last complete epoch, as it does after a crash. With --processes N, N processes share the work of every
    batch; docs/scale.md says when that pays, and how to use several machines.

    \b
    Example:
      generate-training-data --output artifacts/data/character.jsonl
      train-character-model artifacts/data/character.jsonl --epochs 50
    """
    try:
        with one_voice():
            if validate_only:
                _validate(_places(data), as_json)
            elif processes > 1 and not started_by_torchrun():
                # Each process is given the arguments of this one, and comes to the next branch.
                raise click.exceptions.Exit(launch(processes, MODULE, sys.argv[1:]))
            else:
                _train(data, as_json, processes=processes, **options)
    except KeyboardInterrupt:
        err.print("Stopped by Ctrl-C.")
        raise click.exceptions.Exit(130) from None


def notify(line: str) -> None:
    """A line for the user, beside the result."""
    err.print(line, markup=False)


def _validate(places: tuple[Path, ...], as_json: bool) -> None:
    from storyteller_trainer.character.shards import find_shards
    from storyteller_trainer.character.survey import survey, survey_tables

    found = survey(find_shards(places))
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found))
    else:
        for problem in found.first_problems:
            out.print(problem, markup=False)
        if found.problems > len(found.first_problems):
            out.print(f"... and {found.problems - len(found.first_problems)} more")
        for table in survey_tables(found):
            out.print(table)
    if found.problems or not found.examples:
        raise click.exceptions.Exit(1)


def _places(data: tuple[Path, ...], say: Callable[[str], None] = notify) -> tuple[Path, ...]:
    return data or (training_file(TRAINING_FILE) or sample_character_file(say),)


def _train(
    data: tuple[Path, ...],
    as_json: bool,
    *,
    processes: int,
    output_dir: Path,
    cache_dir: Path,
    device: str,
    preset: str | None,
    resume: bool,
    memory_limit: float,
    **options: Any,
) -> None:
    import msgspec

    from storyteller_trainer.character import distributed
    from storyteller_trainer.character.run import Interrupted, train_character_model
    from storyteller_trainer.character.shards import find_shards, load_shards
    from storyteller_trainer.character.summary import closing_lines, summary_tables
    from storyteller_trainer.device import choose_device, describe_device

    place = distributed.own_device(choose_device(device))
    with distributed.process_group(place):
        say = notify if distributed.is_leader() else _ignore
        places = distributed.one_before_the_others(lambda: _places(data, say))
        dataset = distributed.one_before_the_others(lambda: load_shards(find_shards(places), cache_dir, say))
        for line in (*dataset.notices, distributed.describe(describe_device(place))):
            say(line)
        try:
            summary = train_character_model(
                dataset,
                output_dir,
                place,
                preset=preset,
                options=options,
                resume=resume,
                memory_limit=memory_limit * 1e9,
                notify=say,
            )
        except Interrupted as stopped:
            again = ["train-character-model", *map(str, places), "--output-dir", str(output_dir), "--resume"]
            again += ["--processes", str(processes)] if processes > 1 else []
            say(f"{stopped}: {stopped.epochs} epochs are saved in {output_dir}; go on with:")
            say(f"  {shlex.join(again)}")
            raise click.exceptions.Exit(130) from None
        if not distributed.is_leader():
            return
    if as_json:
        print_json(msgspec.to_builtins(summary))
        return
    for table in summary_tables(summary):
        out.print(table)
    for line in closing_lines(summary):
        out.print(line, markup=False)


def _ignore(line: str) -> None:
    """Only one of several processes speaks."""


if __name__ == "__main__":
    main()
