"""The command `export-character-model`."""

from __future__ import annotations

from pathlib import Path

import click
from storyteller_schema.console import command, out, print_json
from storyteller_schema.ctrl_c import importing
from storyteller_schema.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_schema.settings import model_path
from storyteller_trainer.folder import CHARACTER_RUN, best_of, require_checkpoint


@command("export-character-model")
@click.argument("checkpoint", type=INPUT, default=CHARACTER_RUN)
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="The file to write [default: character_predictor.onnx in STORYTELLER_MODEL_PATH or artifacts/models].",
)
@option(
    "--align-thresholds",
    is_flag=True,
    help="Add 0.5 to the binary outputs, so that the engine's cut falls where the trained probability is 0.5.",
)
@option("--int8", is_flag=True, help="Round the weights to eight bits: a quarter of the size.")
@json_option
def main(checkpoint: Path, output: Path | None, align_thresholds: bool, int8: bool, as_json: bool) -> None:
    """Write a trained character model as one ONNX file that the engine loads.

    CHECKPOINT is the output folder of a training run, whose best model is taken, or one checkpoint file. By default it
    is artifacts/character.

    \b
    Example:
      export-character-model artifacts/character -o artifacts/models/character_predictor.onnx
    """
    target = output or model_path() / "character_predictor.onnx"
    with judging("checkpoint"):
        require_checkpoint(best_of(checkpoint))
    with importing():  # PyTorch takes seconds
        import msgspec
        from rich.table import Table

        from storyteller_exporter.character import export_character

    report = export_character(checkpoint, target, align_thresholds=align_thresholds, int8=int8)
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    table = Table(show_header=False, box=None)
    table.add_row("file", report.file)
    table.add_row("size", f"{report.bytes:,} bytes, {report.parameters:,} parameters, {report.precision}")
    table.add_row("checkpoint", f"epoch {report.epoch}, validation loss {report.val_loss:.4f}")
    table.add_row("opset", str(report.opset))
    table.add_row("thresholds", "aligned with the engine's cut" if report.aligned_thresholds else "as trained")
    out.print(table)
