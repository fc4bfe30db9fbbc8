"""The command `evaluate-character-model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from storyteller_schema.common.console import command, err, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import WrongValue
from storyteller_schema.common.hints import hint
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, check_file
from storyteller_trainer.runs.run_files import BEST, CHARACTER_RUN, best_of, require_checkpoint
from storyteller_trainer.runs.run_place import RUNS

from storyteller_exporter.commands.places import (
    evaluation_output,
    evaluation_output_option,
    models_folder,
    write_evaluation,
)
from storyteller_exporter.events.named_folders import require_folder_of

if TYPE_CHECKING:
    from storyteller_trainer.character.model.held_out import DividedData

    from storyteller_exporter.evaluate.character_evaluation import CharacterReport
    from storyteller_exporter.evaluate.character_model import CharacterPredictor

COMES_OUT = "What comes out"
NOTHING = (
    "nothing to evaluate on: no run at hand is the one that {model} names; name DATA, or with --checkpoint the run, "
    "for what it held out"
)


@command("evaluate-character-model")
@click.argument("model", type=INPUT, required=False)
@click.argument("data", type=INPUT, required=False)
@option(
    "--checkpoint",
    type=INPUT,
    help="The run of an ONNX file: only what it held out is judged [default: the one in artifacts that it is of].",
)
@option(
    "--worst",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Surest mistakes that are shown.",
)
@option(
    "--predictions",
    type=OUTPUT_FILE,
    help="Also write a JSON line for each example: file, line, prediction and outputs.",
)
@evaluation_output_option()
@json_option
def main(
    model: Path | None,
    data: Path | None,
    checkpoint: Path | None,
    worst: int,
    predictions: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Score a character model on DATA, run and read as the engine does it.

    MODEL is an ONNX file, a run or a checkpoint; by default it is character_predictor.onnx in STORYTELLER_MODEL_PATH or
    artifacts/models. DATA is a JSONL file, a folder of them or a pattern; left out, it is what the run held out. The
    run of an ONNX file is looked for in artifacts/runs and artifacts/character by what the file says of itself. Losses
    stand beside the irreducible ones, accuracies beside their ceilings, as far as the data's manifest tells them.

    \b
    Examples:
      evaluate-character-model artifacts/character
      evaluate-character-model artifacts/models/character_predictor.onnx
      evaluate-character-model artifacts/models/character_predictor.onnx artifacts/data/character.jsonl
    """
    usual = models_folder(None)
    model = model or usual / CHARACTER.file_name
    _check(model, data, checkpoint)
    if output is not None:
        with judging("output"):
            require_folder_of(output)
    report = evaluate_place(model, data, checkpoint=checkpoint, worst=worst, predictions=predictions)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(report))
    else:
        from storyteller_exporter.evaluate.character_tables import show_character

        show_character(report)
    write_evaluation(report, evaluation_output(output, model, usual))


def _check(model: Path, data: Path | None, checkpoint: Path | None) -> None:
    """What can be known to be wrong before anything is imported.

    Raises:
        WrongValue: naming the argument.
    """
    if not model.exists():
        export = hint("export-character-model")
        raise WrongValue(f"{model}: no such model; export one first (`{export}`), or name another", "model")
    is_file = model.suffix == ".onnx" or (model.is_dir() and not (model / BEST).is_file())
    if is_file and model.is_dir() and not (model / CHARACTER.file_name).is_file():
        raise WrongValue(f"{model}: holds neither {BEST} nor {CHARACTER.file_name}; name a model", "model")
    runs_at_hand = CHARACTER_RUN.exists() or any(RUNS.glob(f"*/{BEST}"))
    if is_file and data is None and checkpoint is None and not runs_at_hand:
        raise click.UsageError(NOTHING.format(model=model))
    if not is_file and checkpoint is not None:
        raise WrongValue(f"{model} is a checkpoint already; leave --checkpoint out", "checkpoint")
    if checkpoint is not None:
        with judging("checkpoint"):
            require_checkpoint(best_of(checkpoint))
    if data is not None:
        with judging("data"):
            for file in find_shards([data]):
                check_file(file, CHARACTER_MAKER)


def _may_know(model: CharacterPredictor, divided: DividedData) -> bool:
    """Whether a model was trained on some data, or does not say on which."""
    return model.facts.data_hash in ("", divided.data.content_hash)


def evaluate_place(
    place: Path, data: Path | None, *, checkpoint: Path | None = None, worst: int = 20, predictions: Path | None = None
) -> CharacterReport:
    """What the command does, but for printing."""
    with ending_at_once():  # PyTorch takes seconds
        from rich.progress import Progress
        from storyteller_trainer.character.model.checkpoint import load_checkpoint

        from storyteller_exporter.evaluate.character_evaluation import evaluate, write_character_predictions
        from storyteller_exporter.evaluate.character_model import open_model
        from storyteller_exporter.evaluate.judged import find_examples, judge
        from storyteller_exporter.evaluate.source_run import run_of_character_file

    model = open_model(place)
    if model.checkpoint is None and checkpoint is None:
        checkpoint = run_of_character_file(model.metadata)
        if checkpoint is not None:
            err.print(f"run: {checkpoint}, by what the file says of itself")
    source = model.checkpoint or (None if checkpoint is None else load_checkpoint(checkpoint))
    if source is None and data is None:
        raise click.UsageError(NOTHING.format(model=place))
    if checkpoint is not None and source is not None and model.facts.data_hash not in ("", source.metadata.data_hash):
        raise WrongValue(
            f"{place} was not trained on the data of {checkpoint}; name the run it came from", "checkpoint"
        )
    divided = find_examples(data, source)
    if divided.split is None and _may_know(model, divided):
        err.print(
            f"Warning: all {len(divided.data):,} rows are scored, those that {place} was trained on among them: its "
            "run is not at hand to tell what it held out (--checkpoint names it)"
        )
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("examples", total=len(divided.held_out))
        judged = judge(model, divided.data, divided.held_out, lambda rows: progress.advance(bar, rows))
    if predictions is not None:
        write_character_predictions(predictions, judged)
        err.print(f"predictions: {predictions}")
    return evaluate(model, divided, judged, worst=worst)
