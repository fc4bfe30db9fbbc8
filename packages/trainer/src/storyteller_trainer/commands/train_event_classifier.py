"""`train-event-classifier`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import WrongValue
from storyteller_schema.common.hints import hint
from storyteller_schema.common.options import (
    INPUT,
    OUTPUT_FOLDER,
    json_option,
    judging,
    option,
    refuse_beside,
    words_given,
)
from storyteller_schema.common.settings import training_file

from storyteller_trainer.commands.recipe_options import device_option, recipe_options
from storyteller_trainer.events.model.encoder_names import resolve
from storyteller_trainer.events.training.recipe import RECIPES, Precision, Recipe
from storyteller_trainer.optional_dependencies import events_extra
from storyteller_trainer.reading.jsonl import EVENT_MAKER, check_file
from storyteller_trainer.runs.recipe_values import values
from storyteller_trainer.runs.run_files import EVENT_RUNS
from storyteller_trainer.runs.run_place import (
    RUNS,
    check_run_name,
    is_in_runs,
    latest_event_runs,
    link_latest_events,
    new_run,
)
from storyteller_trainer.runs.threads import limit_spinning, threads_option
from storyteller_trainer.sample.fallback import sample_event_file

#: The file of the user's `training-data/` that is trained on when none is named.
TRAINING_FILE = "event_classification.jsonl"
#: What the folder of a new training is called, after the time.
NAME = "events"
#: What `--task` takes; `all` is what the engine loads: one model for each of two tasks.
TASKS = {"all": ("event", "ner"), "event": ("event",), "ner": ("ner",), "joint": ("joint",)}


@command("train-event-classifier")
@click.argument("data", nargs=-1, type=INPUT)
@option(
    "--task",
    type=click.Choice(list(TASKS)),
    default="all",
    show_default=True,
    help="all: event, then ner.",
    section="Run",
)
@option(
    "-o",
    "--output-dir",
    type=OUTPUT_FOLDER,
    help="Each task gets a folder of its name in it "
    f"[default: a new folder in {RUNS}, to whose runs {EVENT_RUNS}/TASK then lead].",
    section="Run",
)
@option("--name", help=f"The end of that folder's name [default: {NAME}].", section="Run")
@option(
    "--resume",
    is_flag=True,
    help="Go on with the runs in --output-dir, else with the latest ones, by their own settings.",
    section="Run",
)
@device_option("Run")
@threads_option("Run")
@option(
    "--on-nan",
    type=click.Choice(["stop", "cpu"]),
    default="stop",
    show_default=True,
    help="cpu: go on there.",
    section="Run",
)
@option(
    "--validate-only",
    is_flag=True,
    help="List every problem of DATA and its shape; train nothing.",
    section="Data",
)
@option(
    "--encoder",
    help="minilm, distilbert, deberta, modernbert, a hub id (owner/name) or a folder. [minilm]",
    section="Recipe",
)
@recipe_options({"minilm": RECIPES["minilm"], "others": Recipe()})
@json_option
def main(data: tuple[Path, ...], validate_only: bool, as_json: bool, **options: Any) -> None:
    """Train the event and the entity classifier on DATA: JSONL files (plain or gzip), taken together.

    Two sets are held out and scored: random sentences, and sentences of skeletons that training never saw. Without
    DATA, training-data/event_classification.jsonl of $STORYTELLER_DATA_PATH is taken, or sample data, made on the
    spot, when that is not set. Ctrl-C stops after the step under way with exit code 130; --resume then goes on from
    the last complete epoch, as it does after a crash.

    \b
    Example:
      generate-event-data -o artifacts/data/events.jsonl
      train-event-classifier artifacts/data/events.jsonl --task event --epochs 2
    """
    own = None if data else training_file(TRAINING_FILE)
    named = data or ((own,) if own else ())
    if validate_only:
        refuse_beside("--validate-only trains nothing", "resume", "encoder", "name", *values(Recipe))
    if options["output_dir"] is not None:
        refuse_beside("--output-dir names the folder", "name")
    _check(named, **options)
    paths = named or (sample_event_file(notify),)
    if validate_only:
        _validate(paths, as_json)
    else:
        _train(paths, as_json, **options)


def _check(
    paths: tuple[Path, ...],
    *,
    task: str,
    encoder: str | None,
    device: str,
    precision: Precision | None,
    name: str | None,
    **options: Any,
) -> None:
    """What can be known to be wrong before PyTorch is imported.

    Raises:
        WrongValue: naming the argument.
    """
    check_run_name(name or NAME)
    if encoder is not None:
        resolve(encoder)
    if precision in (Precision.BF16, Precision.FP16) and device.startswith(("cpu", "mps")):
        raise WrongValue(
            f"--precision {precision} needs a CUDA device, and this is {device}; use fp32 or auto",
            *("precision", "device"),
        )
    if task != "joint":
        refuse_beside(f"--task {task} has one loss a model", "ner_weight")
    with judging("data"):
        for path in paths:
            check_file(path, EVENT_MAKER)


def notify(line: str) -> None:
    """A line for the user, beside the result."""
    err.print(line)


def _validate(paths: tuple[Path, ...], as_json: bool) -> None:
    """Each file by itself; of one the JSON is an object, of several a list of them."""
    with ending_at_once():
        from storyteller_trainer.events.data.survey import survey, survey_tables

    surveys = [survey(path) for path in paths]
    if as_json:
        import msgspec

        documents = msgspec.to_builtins(surveys)
        print_json(documents if len(documents) > 1 else documents[0])
    else:
        for found in surveys:
            for problem in found.first_problems:
                out.print(f"{found.file}: {problem}")
            if found.problems > len(found.first_problems):
                out.print(f"... and {found.problems - len(found.first_problems)} more")
            for table in survey_tables(found):
                out.print(table)
    if any(found.problems for found in surveys):
        raise click.exceptions.Exit(1)


def _train(
    paths: tuple[Path, ...],
    as_json: bool,
    *,
    task: str,
    encoder: str | None,
    device: str,
    on_nan: str,
    output_dir: Path | None,
    name: str | None,
    resume: bool,
    threads: int | None,
    **options: Any,
) -> None:
    limit_spinning()
    with events_extra():
        import msgspec

        from storyteller_trainer.events.data.dataset import load_event_files
        from storyteller_trainer.events.model.classifiers import Task
        from storyteller_trainer.events.training.run import Request, train_classifier
        from storyteller_trainer.events.training.summary import closing_lines, summary_tables
        from storyteller_trainer.runs.device import choose_device, describe_device
        from storyteller_trainer.runs.loop import Interrupted

    place = choose_device(device)
    dataset = load_event_files(paths)
    for line in (dataset.describe(), *dataset.notices, describe_device(place)):
        notify(line)
    # The one that is trained first says which runs are the latest: the others may not have been begun yet.
    latest = latest_event_runs(TASKS[task][0]) if resume else None
    folder = output_dir or latest or click.get_current_context().with_resource(new_run(name or NAME))
    results = {}
    for each in TASKS[task]:
        request = Request(
            task=Task(each),
            folder=folder / each,
            encoder=encoder,
            options=options,
            resume=resume,
            cpu_on_nan=on_nan == "cpu",
            threads=threads,
        )
        try:
            summary = train_classifier(dataset, request, place, notify, partial(_first_epoch, each, request.folder))
        except Interrupted as stopped:
            # Those of the recipe too: of the tasks that have not begun, no run keeps them.
            same = words_given("task", "output_dir", "device", "on_nan", "encoder", *values(Recipe))
            same += ["--output-dir", str(folder)] if output_dir is None else []
            again = hint("train-event-classifier", *same, "--resume", data=paths)
            notify(f"{each}: {stopped}: {stopped.epochs} epochs are saved in {request.folder}; go on with:")
            notify(f"  {again}")
            raise click.exceptions.Exit(130) from None
        results[each] = msgspec.to_builtins(summary)
        if not as_json:
            for table in summary_tables(summary):
                out.print(table)
            for line in closing_lines(summary, request.folder):
                out.print(line)
    if as_json:
        print_json(results)


def _first_epoch(task: str, run: Path) -> None:
    if is_in_runs(run.parent):
        link_latest_events(task, run, notify)
