"""The command `export-event-classifier`."""

from __future__ import annotations

from pathlib import Path

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.options import INPUT, OUTPUT_FOLDER, json_option, judging, option
from storyteller_trainer.optional_dependencies import events_extra
from storyteller_trainer.reading.jsonl import check_file
from storyteller_trainer.runs.run_files import EVENT_RUNS, require_event_run

from storyteller_exporter.commands.places import INT8, models_folder, models_option, refuse_both, unjudged_option

WRITTEN = "What is written"
CHECKED = "How it is checked"


@command("export-event-classifier")
@click.argument("runs", type=INPUT, default=EVENT_RUNS)
@option(
    "-o",
    "--output",
    type=OUTPUT_FOLDER,
    help="The folder to write [default: event_classifier (with --joint: joint_classifier) in --models, with --int8 in "
    f"its folder {INT8}].",
    section=WRITTEN,
)
@models_option(section=WRITTEN)
@option(
    "--joint", is_flag=True, help="One file with event_logits and ner_logits, from the run RUNS/joint.", section=WRITTEN
)
@option(
    "--align-thresholds",
    is_flag=True,
    help="Move the event logits so that the engine's 0.5 falls on each kind's best threshold on validation data.",
    section=WRITTEN,
)
@option("--int8", is_flag=True, help="Round the weights to eight bits: about a quarter of the size.", section=WRITTEN)
@option("--data", type=INPUT, help="Data for the checks [default: what the runs held out].", section=CHECKED)
@unjudged_option(section=CHECKED)
@json_option
def main(
    runs: Path,
    output: Path | None,
    models: Path | None,
    data: Path | None,
    joint: bool,
    align_thresholds: bool,
    int8: bool,
    allow_unjudged: bool,
    as_json: bool,
) -> None:
    """Write trained event and entity classifiers as the folder that the engine loads.

    RUNS holds the training runs event/ and ner/, or joint/. By default it is artifacts/events. The folder gets
    event_classifier.onnx, ner_classifier.onnx and tokenizer.json; all of them, or none when anything fails, the checks
    of verify-onnx included. Files that fail these are kept in the folder failed-export inside it.

    \b
    Example:
      export-event-classifier artifacts/events -o artifacts/models/event_classifier
    """
    refuse_both(output, "--output", models=models)
    target = output or models_folder(models, int8=int8) / ("joint_classifier" if joint else "event_classifier")
    with judging("runs"):
        for task in ("joint",) if joint else ("event", "ner"):
            require_event_run(runs, task)
    if data is not None:
        with judging("data"):
            check_file(data)
    with events_extra():
        import msgspec
        from rich.table import Table

        from storyteller_exporter.export.event_promotion import concerns
        from storyteller_exporter.export.events import export_events

    for concern in concerns(runs, target, data, joint=joint):
        err.print(f"Warning: {concern}")
    report = export_events(
        runs,
        target,
        data=data,
        joint=joint,
        align_thresholds=align_thresholds,
        int8=int8,
        allow_unjudged=allow_unjudged,
    )
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    out.print(f"folder: {report.folder}")
    for file in report.files:
        table = Table(show_header=False, box=None)
        table.add_row("file", Path(file.file).name)
        table.add_row("size", f"{file.bytes:,} bytes, {file.parameters:,} parameters, {file.precision}")
        scores = ", ".join(f"{name} {value:.4f}" for name, value in file.validation.items())
        table.add_row("checkpoint", f"{file.encoder}, epoch {file.epoch}, validation {scores or 'unknown'}")
        out.print(table)
    out.print(f"checks: {report.verdict}; {report.verification}")
