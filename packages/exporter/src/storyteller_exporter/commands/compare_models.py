"""The command `compare-models`."""

from __future__ import annotations

from pathlib import Path

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, check_file

from storyteller_exporter.commands.places import markdown_option, require_model
from storyteller_exporter.report.extra import report_extra


@command("compare-models")
@click.argument("first", type=INPUT)
@click.argument("second", type=INPUT)
@option("--data", type=INPUT, help="Data to judge both on [default: that of the runs].")
@option("-o", "--output", type=OUTPUT_FILE, help="Also write a page with the curves of both.")
@markdown_option()
@json_option
def main(
    first: Path, second: Path, data: Path | None, output: Path | None, markdown: Path | None, as_json: bool
) -> None:
    """Say whether SECOND is a better character model than FIRST.

    Each is a run, a checkpoint or an ONNX file. Both are judged on the same examples, which neither was trained on, and
    every figure's difference has an interval, by a paired bootstrap over cells. The weighted loss decides: better,
    worse, or no difference shown.

    \b
    Example:
      compare-models artifacts/models/character_predictor.onnx artifacts/character
    """
    require_model(first, "first")
    require_model(second, "second")
    if data is not None:
        with judging("data"):
            for file in find_shards([data]):
                check_file(file, CHARACTER_MAKER)
    with ending_at_once():  # PyTorch takes seconds
        import msgspec

        from storyteller_exporter.evaluate.character_model import open_model
        from storyteller_exporter.report import comparison_texts
        from storyteller_exporter.report.comparison import compare_models, data_of, recipe_of
        from storyteller_exporter.report.run_record import read_run
    if output is not None:
        with report_extra():
            from storyteller_exporter.report.comparison_page import comparison_page
    one, other = open_model(first), open_model(second)
    found = compare_models(one, other, data_of((one, other), data))
    options = comparison_texts.differing(recipe_of(one), recipe_of(other))
    if as_json:
        print_json(msgspec.to_builtins(found) | {"options": options})
    else:
        out.print(f"first:  {found.first.file}")
        out.print(f"second: {found.second.file}")
        for notice in found.notices:
            out.print(f"note: {notice}")
        out.print(comparison_texts.comparison_table(found))
        if options:
            out.print(comparison_texts.options_table(options))
        out.print(comparison_texts.verdict_line(found))
    if markdown is not None:
        title, lines = "Comparison of two character models", [comparison_texts.verdict_line(found)]
        write_atomic(markdown, comparison_texts.markdown(title, lines, found, options))
    if output is not None:
        histories = [
            read_run(model.checkpoint.path.parent).history if model.checkpoint else [] for model in (one, other)
        ]
        write_atomic(output, comparison_page(found, options, histories))
        err.print(f"page: {output}")
