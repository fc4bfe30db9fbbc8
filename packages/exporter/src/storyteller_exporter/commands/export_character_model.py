"""The command `export-character-model`."""

from __future__ import annotations

from pathlib import Path

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_trainer.reading.jsonl import check_file
from storyteller_trainer.runs.run_files import CHARACTER_RUN, best_of, require_checkpoint

from storyteller_exporter.commands.places import INT8, models_folder, models_option, refuse_both, unjudged_option

WRITTEN = "What is written"
CHECKED = "How it is checked"


@command("export-character-model")
@click.argument("checkpoint", type=INPUT, default=CHARACTER_RUN)
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help=f"The file to write [default: {CHARACTER.file_name} in --models, with --int8 in its folder {INT8}].",
    section=WRITTEN,
)
@models_option(section=WRITTEN)
@option(
    "--align-thresholds",
    is_flag=True,
    help="Add 0.5 to the binary outputs, so that the engine's cut falls where the trained probability is 0.5.",
    section=WRITTEN,
)
@option("--int8", is_flag=True, help="Round the weights to eight bits: a quarter of the size.", section=WRITTEN)
@option("--data", type=INPUT, help="Data for the checks [default: what the run held out].", section=CHECKED)
@unjudged_option(section=CHECKED)
@json_option
def main(
    checkpoint: Path,
    output: Path | None,
    models: Path | None,
    data: Path | None,
    align_thresholds: bool,
    int8: bool,
    allow_unjudged: bool,
    as_json: bool,
) -> None:
    """Write a trained character model as one ONNX file that the engine loads.

    CHECKPOINT is a run, whose best checkpoint is taken, or a checkpoint, best.safetensors or last.safetensors. By
    default it is the run artifacts/character. The file is written aside and takes the place of an old one only when it
    passes the checks of verify-onnx; one that fails is kept in the folder failed-export beside it.

    \b
    Example:
      export-character-model artifacts/character -o artifacts/models/character_predictor.onnx
    """
    refuse_both(output, "--output", models=models)
    target = output or models_folder(models, int8=int8) / CHARACTER.file_name
    with judging("checkpoint"):
        require_checkpoint(best_of(checkpoint))
    if data is not None:
        with judging("data"):
            check_file(data)
    with ending_at_once():  # PyTorch takes seconds
        import msgspec
        from rich.table import Table

        from storyteller_exporter.export.character import export_character
        from storyteller_exporter.export.character_promotion import concerns

    for concern in concerns(checkpoint, target, data):
        err.print(f"Warning: {concern}")
    report = export_character(
        checkpoint,
        target,
        data=data,
        align_thresholds=align_thresholds,
        int8=int8,
        allow_unjudged=allow_unjudged,
    )
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    table = Table(show_header=False, box=None)
    table.add_row("file", report.file)
    table.add_row("size", f"{report.bytes:,} bytes, {report.parameters:,} parameters, {report.precision}")
    table.add_row("checkpoint", f"epoch {report.epoch}, validation loss {report.val_loss:.4f}")
    table.add_row("opset", str(report.opset))
    table.add_row("thresholds", "aligned with the engine's cut" if report.aligned_thresholds else "as trained")
    table.add_row("checks", f"{report.verdict}; {report.verification}")
    out.print(table)
