"""`train-character-model`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.hints import hint
from storyteller_schema.common.options import (
    INPUT,
    OUTPUT_FILE,
    OUTPUT_FOLDER,
    json_option,
    judging,
    option,
    refuse_beside,
    words_given,
)
from storyteller_schema.common.settings import ARTIFACTS, training_file

from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.character.training.recipe import DEFAULT_RECIPE, RECIPES, Recipe
from storyteller_trainer.commands.recipe_file import check_recipe_name, read_recipe
from storyteller_trainer.commands.recipe_options import device_option, recipe_options
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, check_file
from storyteller_trainer.runs.cpus import CpuWatch
from storyteller_trainer.runs.launch import is_one_of_several, launch, one_voice
from storyteller_trainer.runs.recipe_values import values
from storyteller_trainer.runs.run_files import CHARACTER_RUN
from storyteller_trainer.runs.run_place import RUNS, check_run_name, is_in_runs, link_latest, new_run
from storyteller_trainer.runs.threads import limit_spinning, threads_option
from storyteller_trainer.sample.fallback import sample_character_file

if TYPE_CHECKING:
    from storyteller_trainer.character.data.dataset import CharacterDataset
    from storyteller_trainer.character.rules.axes import AxisPlaces

#: The file of the user's `training-data/` that is trained on when none is named.
TRAINING_FILE = "low_fantasy_folklore.jsonl"
#: This command, for `python -m`.
MODULE = "storyteller_trainer.character"


@command("train-character-model")
@click.argument("data", nargs=-1, type=INPUT)
@option(
    "-o",
    "--output-dir",
    type=OUTPUT_FOLDER,
    help=f"Where checkpoints and history go [default: a new folder in {RUNS}, to which {CHARACTER_RUN} then leads].",
    section="Run",
)
@option("--name", help="The end of that folder's name [default: character].", section="Run")
@option(
    "--resume",
    is_flag=True,
    help=f"Go on with the run in --output-dir, else {CHARACTER_RUN}, by its own recipe.",
    section="Run",
)
@device_option("Run")
@threads_option("Run")
@option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Train by that many.",
    section="Run",
)
@option(
    "--validate-only",
    is_flag=True,
    help="List every problem of DATA and its shape; train nothing.",
    section="Data",
)
@option(
    "--write-split",
    type=OUTPUT_FILE,
    help="Write to this file, as JSON, which examples are trained on and which are held out; train nothing.",
    section="Data",
)
@option(
    "--descriptors",
    type=INPUT,
    help="Descriptor files that DATA was made from: they tell where a character's axes lie.",
    section="Data",
)
@option(
    "--cache-dir",
    type=OUTPUT_FOLDER,
    default=ARTIFACTS / "cache",
    show_default=True,
    help="Where parsed data is kept for the next start.",
    section="Data",
)
@option(
    "--memory-limit",
    type=float,
    default=2.0,
    show_default=True,
    help="GB of features up to which DATA is held in memory; more is read from the cache in blocks.",
    section="Data",
)
@option(
    "--recipe",
    "preset",
    metavar="NAME|FILE",
    help=f"The values that no option gives: {' or '.join(RECIPES)}, a TOML file, or a run.json. [{DEFAULT_RECIPE}]",
    section="Recipe",
)
@recipe_options(RECIPES)
@json_option
def main(
    data: tuple[Path, ...],
    processes: int,
    validate_only: bool,
    write_split: Path | None,
    as_json: bool,
    preset: str | None,
    **settings: Any,
) -> None:
    """Train the character model on DATA: JSONL files (plain or gzip), folders of them, or patterns ('data/*.jsonl').

    Without DATA, training-data/low_fantasy_folklore.jsonl of $STORYTELLER_DATA_PATH is taken, or sample data, made on
    the spot, when that is not set. Ctrl-C stops after the step under way with exit code 130; --resume then goes on
    from the last complete epoch, as it does after a crash. With --processes N, N processes share the work of every
    batch; docs/scale.md says when that pays, and how to use several machines.

    \b
    Example:
      generate-training-data -o artifacts/data/character.jsonl
      train-character-model artifacts/data/character.jsonl --epochs 50
    """
    with one_voice():
        if validate_only:
            refuse_beside("--validate-only trains nothing", "write_split", "resume", "preset", "name", *values(Recipe))
        if write_split:
            shaping = set(values(Recipe)) - {"seed", "val_fraction"}
            refuse_beside("--write-split trains nothing", "resume", "preset", "name", *shaping)
        if settings["output_dir"] is not None:
            refuse_beside("--output-dir names the folder", "name")
        settings = {"preset": preset, **settings} | _from_file(preset, settings)
        _check(data, processes, **settings)
        if validate_only:
            _validate(_places(data), settings["descriptors"], as_json)
        elif write_split:
            _write_split(_places(data), write_split, as_json, **settings)
        elif processes > 1 and not is_one_of_several():
            # Each process is given the arguments of this one, and comes to the next branch.
            raise click.exceptions.Exit(launch(processes, MODULE, sys.argv[1:]))
        else:
            _train(data, as_json, processes=processes, **settings)


def _check(
    data: tuple[Path, ...],
    processes: int,
    *,
    preset: str | None,
    resume: bool,
    device: str,
    memory_limit: float,
    output_dir: Path | None,
    name: str | None,
    cache_dir: Path,
    descriptors: Path | None,
    threads: int | None,
    **options: Any,
) -> None:
    """What can be known to be wrong before PyTorch is imported.

    Raises:
        WrongValue: naming the argument.
    """
    check_run_name(name or "character")
    if not resume:  # whose recipe stands in the run
        RECIPES[preset or DEFAULT_RECIPE].with_options(**options)
    if not memory_limit >= 0:  # nor NaN
        raise WrongValue(f"{memory_limit:g} is not 0 or more", "memory_limit")
    if processes > 1 and device.startswith("mps"):
        raise WrongValue(f"several processes cannot train on {device}; add --device cpu", "processes", "device")
    if processes > 1 and device.startswith("cuda:"):
        raise WrongValue(
            f"{processes} processes cannot share {device}; say cuda, and each takes a device of its own",
            *("processes", "device"),
        )
    own = None if data else training_file(TRAINING_FILE)
    with judging("data"):
        for file in find_shards(data or filter(None, [own])):
            check_file(file, CHARACTER_MAKER)


def _from_file(preset: str | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Where --recipe names a file, its values, but for those that an option gives, and no preset."""
    if preset is None or preset in RECIPES:
        return {}
    with judging("preset"):
        check_recipe_name(preset, RECIPES)
    names = values(Recipe)
    found = read_recipe(Path(preset), names)
    given = {name: value for name, value in settings.items() if name in names and value is not None}
    checked = {name: names[name].checked(f"{preset}: {name}", value) for name, value in found.items()}
    return {"preset": None, **checked, **given}


def notify(line: str) -> None:
    """A line for the user, beside the result."""
    err.print(line)


def _validate(places: tuple[Path, ...], descriptors: Path | None, as_json: bool) -> None:
    with ending_at_once():
        import msgspec

        from storyteller_trainer.character.data.data_warnings import DataWatch
        from storyteller_trainer.character.data.manifest import threshold_of
        from storyteller_trainer.character.data.survey import survey, survey_tables
        from storyteller_trainer.character.rules.conditionals import NEVER_DRAWN
        from storyteller_trainer.character.rules.even_sample import EvenSample
        from storyteller_trainer.character.rules.report import rules_table

    files = find_shards(places)
    axes = _axis_places(descriptors, notify)
    sample = EvenSample()
    found = survey(files, DataWatch(NEVER_DRAWN), sample.add, notify)
    rules = sample.check(axes, threshold_of(files)) if found.examples else None
    if rules:
        notify(rules.line())
    if as_json:
        print_json(msgspec.to_builtins(found) | {"rules": msgspec.to_builtins(rules)})
    else:
        for problem in found.first_problems:
            out.print(problem)
        if found.problems > len(found.first_problems):
            out.print(f"... and {found.problems - len(found.first_problems)} more")
        for table in [*survey_tables(found), *([rules_table(rules)] if rules else [])]:
            out.print(table)
        for warning in found.warnings:
            out.print(f"{'warning' if warning.serious else 'note'}: {warning.text}")
    if found.problems or not found.examples:
        raise click.exceptions.Exit(1)


def _write_split(
    places: tuple[Path, ...],
    file: Path,
    as_json: bool,
    *,
    cache_dir: Path,
    seed: int | None,
    val_fraction: float | None,
    **_: Any,
) -> None:
    with ending_at_once():
        from storyteller_trainer.character.data.shards import load_shards
        from storyteller_trainer.character.data.split_file import write_split

    recipe = RECIPES[DEFAULT_RECIPE].with_options(seed=seed, val_fraction=val_fraction)
    made = write_split(file, load_shards(find_shards(places), cache_dir, notify), recipe.val_fraction, recipe.seed)
    if as_json:
        print_json({"file": str(file), "train": len(made.train), "validation": len(made.validation)})
    else:
        out.print(f"{file}: {len(made.train):,} examples to train on, {len(made.validation):,} held out")


def _axis_places(folder: Path | None, say: Callable[[str], None]) -> AxisPlaces | None:
    """Where a character's axes lie, by the descriptors that are found; None, with a line, where these are faulty.

    Raises:
        StorytellerError: the descriptors that the user named are faulty.
    """
    from storyteller_trainer.sample.character.axis_places import axis_places
    from storyteller_trainer.sample.character.descriptor_files import find_descriptors, load_descriptors

    try:
        return axis_places(load_descriptors(find_descriptors(folder).folder))
    except StorytellerError as error:
        if folder:
            raise
        say(f"Descriptors are not used: {error}")
        return None


def _places(data: tuple[Path, ...], say: Callable[[str], None] = notify) -> tuple[Path, ...]:
    return data or (training_file(TRAINING_FILE) or sample_character_file(say),)


def _train(
    data: tuple[Path, ...],
    as_json: bool,
    *,
    processes: int,
    output_dir: Path | None,
    name: str | None,
    cache_dir: Path,
    device: str,
    descriptors: Path | None,
    preset: str | None,
    resume: bool,
    memory_limit: float,
    threads: int | None,
    **options: Any,
) -> None:
    limit_spinning()
    alone = not is_one_of_several()
    # Of several processes each would take the others, which import as it does, for work of somebody else.
    look = CpuWatch().look if alone else None
    places = _places(data) if alone else ()
    with ending_at_once():
        import msgspec

        from storyteller_trainer.character.data.parallel_parsing import parsing_beside
        from storyteller_trainer.character.data.shards import load_shards

        # PyTorch takes seconds.
        with parsing_beside(find_shards(places), cache_dir) if "torch" not in sys.modules else nullcontext():
            from storyteller_trainer.character.training.run import train_character_model
            from storyteller_trainer.character.training.summary import closing_lines, summary_tables
            from storyteller_trainer.runs import distributed
            from storyteller_trainer.runs.device import choose_device, describe_device
            from storyteller_trainer.runs.loop import Interrupted

    place = distributed.own_device(choose_device(device))
    with distributed.process_group(place):
        say = notify if distributed.is_leader() else _ignore
        places = places or distributed.one_before_the_others(lambda: _places(data, say))
        dataset = distributed.one_before_the_others(lambda: load_shards(find_shards(places), cache_dir, say))
        going_on = resume and CHARACTER_RUN.exists()
        folder = output_dir or (CHARACTER_RUN if going_on else _new_run(name or "character"))
        for line in (dataset.describe(), *dataset.notices, *dataset.repetitions()):
            say(line)
        if distributed.is_leader():
            _warn(dataset, say)
        say(distributed.describe(describe_device(place)))
        try:
            summary = train_character_model(
                dataset,
                folder,
                place,
                places=_axis_places(descriptors, say),
                preset=preset,
                options=options,
                resume=resume,
                memory_limit=memory_limit * 1e9,
                threads=threads,
                look=look,
                notify=say,
                on_first_epoch=lambda: link_latest(CHARACTER_RUN, folder, say) if is_in_runs(folder) else None,
            )
        except Interrupted as stopped:
            same = words_given("output_dir", "device", "cache_dir", "descriptors", "memory_limit")
            same += ["--output-dir", str(folder)] if output_dir is None and not going_on else []
            again = hint("train-character-model", *same, "--resume", data=places, processes=processes)
            say(f"{stopped}: {stopped.epochs} epochs are saved in {folder}; go on with:")
            say(f"  {again}")
            raise click.exceptions.Exit(130) from None
        if not distributed.is_leader():
            return
    if as_json:
        print_json(msgspec.to_builtins(summary))
        return
    for table in summary_tables(summary):
        out.print(table)
    for line in closing_lines(summary):
        out.print(line)


def _new_run(name: str) -> Path:
    """A folder that the first of several processes makes; gone when the command ends, if it is still empty then."""
    from storyteller_trainer.runs import distributed

    enter = click.get_current_context().with_resource
    return Path(distributed.by_leader(lambda: str(enter(new_run(name))), str))


def _warn(dataset: CharacterDataset, say: Callable[[str], None]) -> None:
    """Says what is suspicious about the data, as far as an evenly spaced part of it shows."""
    from storyteller_trainer.character.data.data_warnings import look_at
    from storyteller_trainer.character.rules.conditionals import NEVER_DRAWN

    warnings, rows = look_at(dataset, NEVER_DRAWN)
    looked = "" if rows == len(dataset) else f" (of {rows:,} examples that were looked at)"
    for warning in warnings:
        if warning.serious:
            say(f"Warning: {warning.text}{looked}")


def _ignore(line: str) -> None:
    """Only one of several processes speaks."""
