"""The command `evaluate-classifier`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from storyteller_schema.common.console import command, err, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import WrongValue
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_schema.common.settings import model_path
from storyteller_trainer.optional_dependencies import events_extra
from storyteller_trainer.reading.jsonl import EVENT_MAKER, check_file
from storyteller_trainer.runs.run_files import BEST

from storyteller_exporter.commands.places import evaluation_output, evaluation_output_option, write_evaluation
from storyteller_exporter.events.named_folders import require_folder_of, require_models

if TYPE_CHECKING:
    from storyteller_exporter.evaluate.classifier_evaluation import EvaluationReport


@command("evaluate-classifier")
@click.argument("paths", metavar="[MODEL_DIR] [DATA]...", nargs=-1, type=INPUT)
@option(
    "--held-out",
    type=INPUT,
    metavar="RUNS",
    help="Add the two sets that training kept from the models; RUNS is its folder, as artifacts/events.",
    section="Sets, beside DATA",
)
@option(
    "--prose",
    is_flag=True,
    help="Add the hand-annotated prose set that comes with the workspace.",
    section="Sets, beside DATA",
)
@option(
    "--padding",
    type=click.Choice(["fixed", "dynamic"]),
    default="fixed",
    show_default=True,
    help="fixed: to 128 tokens, as the engine does; dynamic: each sentence at its own length.",
    section="How the models run",
)
@option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="The engine uses one.",
    section="How the models run",
)
@option(
    "--latency-sentences",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Sentences timed with either padding; 0 for none.",
    section="How the models run",
)
@option(
    "--worst",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Mistakes shown of each set.",
    section="What comes out",
)
@option(
    "--predictions",
    type=OUTPUT_FILE,
    help="Also write a JSON line for each sentence: set, id, text, event_kinds, event_probabilities and entities, "
    "whose offsets are bytes.",
    section="What comes out",
)
@evaluation_output_option(section="What comes out")
@json_option
def main(paths: tuple[Path, ...], as_json: bool, predictions: Path | None, output: Path | None, **options: Any) -> None:
    """Score exported event models on annotated sentences, run and read as the engine does it.

    MODEL_DIR is the folder with event_classifier.onnx, ner_classifier.onnx and tokenizer.json, or with
    joint_classifier.onnx; left out, it is event_classifier in STORYTELLER_MODEL_PATH or artifacts/models. DATA are
    JSONL files of event data. Several sets are shown side by side, then each by itself.

    \b
    Example:
      evaluate-classifier artifacts/models/event_classifier --held-out artifacts/events --prose
    """
    # A file in the first place is data: the folder was left out.
    given = bool(paths) and not paths[0].is_file()
    folder = paths[0] if given else model_path() / "event_classifier"
    data = paths[1:] if given else paths
    if not data and options["held_out"] is None and not options["prose"]:
        raise click.UsageError("nothing to evaluate on: name a DATA file, --held-out RUNS or --prose")
    with judging("paths"):
        require_models(folder)
        for path in data:
            check_file(path, EVENT_MAKER)
    if (runs := options["held_out"]) is not None and not list(runs.glob(f"*/{BEST}")):
        found = f"{runs / 'event' / BEST}: there is no trained model"
        raise WrongValue(f"{found}; name the folder of runs that the models were exported from", "held_out")
    if output is not None:
        with judging("output"):
            require_folder_of(output)
    report = evaluate_folder(folder, data, predictions=predictions, **options)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(report))
    else:
        with ending_at_once():
            from storyteller_exporter.evaluate.tables import show

        show(report)
    write_evaluation(report, evaluation_output(output, folder, model_path()))


def evaluate_folder(
    folder: Path,
    data: tuple[Path, ...],
    *,
    held_out: Path | None,
    prose: bool,
    padding: str,
    worst: int,
    threads: int,
    latency_sentences: int,
    predictions: Path | None,
) -> EvaluationReport:
    """What the command does, but for printing."""
    with events_extra():
        from rich.progress import Progress

        from storyteller_exporter.evaluate import classifier_evaluation
        from storyteller_exporter.evaluate.engine_events import EngineEvents, Padding
        from storyteller_exporter.evaluate.sets import (
            data_sets,
            held_out_sets,
            in_convention,
            learned_convention,
            prose_set,
        )

    models = EngineEvents(folder, threads=threads)
    sets = held_out_sets(held_out, models.files) if held_out is not None else []
    sets += data_sets(data)
    sets += [prose_set()] if prose else []
    sets = [in_convention(learned_convention(models.files), one) for one in sets]
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("sentences", total=sum(len(one.examples) for one in sets))
        runs = [
            classifier_evaluation.run_set(models, one, Padding(padding), lambda: progress.advance(bar)) for one in sets
        ]
    if predictions is not None:
        classifier_evaluation.write_predictions(predictions, runs)
        err.print(f"predictions: {predictions}")
    return classifier_evaluation.report(models, runs, Padding(padding), worst=worst, timed=latency_sentences)
