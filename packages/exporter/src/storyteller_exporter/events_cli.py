"""The command `export-event-classifier`."""

from __future__ import annotations

from pathlib import Path

import click
from storyteller_schema.console import command, out, print_json
from storyteller_schema.options import INPUT, OUTPUT_FOLDER, json_option, judging, option
from storyteller_schema.settings import model_path
from storyteller_trainer.extra import events_extra
from storyteller_trainer.folder import EVENT_RUNS, require_event_run


@command("export-event-classifier")
@click.argument("runs", type=INPUT, default=EVENT_RUNS)
@option(
    "-o",
    "--output",
    type=OUTPUT_FOLDER,
    help="The folder to write [default: event_classifier (with --joint: joint_classifier) in STORYTELLER_MODEL_PATH "
    "or artifacts/models].",
)
@option("--joint", is_flag=True, help="One file with event_logits and ner_logits, from the run RUNS/joint.")
@option("--int8", is_flag=True, help="Round the weights to eight bits: about a quarter of the size.")
@json_option
def main(runs: Path, output: Path | None, joint: bool, int8: bool, as_json: bool) -> None:
    """Write trained event and entity classifiers as the folder that the engine loads.

    RUNS holds the training runs event/ and ner/, or joint/. By default it is artifacts/events. The folder gets
    event_classifier.onnx, ner_classifier.onnx and tokenizer.json; all of them, or none when anything fails.

    \b
    Example:
      export-event-classifier artifacts/events -o artifacts/models/event_classifier
    """
    target = output or model_path() / ("joint_classifier" if joint else "event_classifier")
    with judging("runs"):
        for task in ("joint",) if joint else ("event", "ner"):
            require_event_run(runs, task)
    with events_extra():
        import msgspec
        from rich.table import Table

        from storyteller_exporter.events import export_events

    report = export_events(runs, target, joint=joint, int8=int8)
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
