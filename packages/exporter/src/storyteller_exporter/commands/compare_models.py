"""The command `compare-models`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_trainer.optional_dependencies import events_extra

from storyteller_exporter.commands.model_kinds import check_data, require_model, require_one_kind
from storyteller_exporter.commands.places import markdown_option
from storyteller_exporter.report.extra import report_extra

if TYPE_CHECKING:
    from storyteller_trainer.runs.history import HistoryRow

    from storyteller_exporter.report.comparison import Comparison

    #: What came out, the options that differ, and by what was trained the history of both.
    Compared = tuple[Comparison, dict[str, tuple[Any, Any]], dict[str, list[list[HistoryRow]]]]


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
    """Say whether SECOND is a better model than FIRST, of characters or of events.

    Each is a run, a checkpoint or an ONNX file; of event models a run, the folder of the runs of both tasks, or a
    folder of exported files. Both are judged on the same examples, which neither was trained on, and every figure's
    difference has an interval, by a paired bootstrap over cells, or over sentences. What decides is the weighted loss,
    or the mean of the macro F1 of kinds and the F1 of entities: better, worse, or no difference shown.

    \b
    Examples:
      compare-models artifacts/models/character_predictor.onnx artifacts/character
      compare-models artifacts/models/event_classifier artifacts/events
    """
    require_model(first, "first")
    require_model(second, "second")
    with judging("second"):
        events = require_one_kind((first, second))
    check_data(data, events=events)
    with ending_at_once():  # PyTorch takes seconds
        import msgspec

        from storyteller_exporter.report import comparison_texts
    if output is not None:
        with report_extra():
            from storyteller_exporter.report.comparison_page import comparison_page
    found, options, histories = (_of_events if events else _of_characters)(first, second, data)
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
    title = "Event models, compared" if events else "Two character models, compared"
    if markdown is not None:
        lines = [comparison_texts.verdict_line(found)]
        write_atomic(markdown, comparison_texts.markdown(title, lines, found, options))
    if output is not None:
        write_atomic(output, comparison_page(title, found, options, histories))
        err.print(f"page: {output}")


def _of_characters(first: Path, second: Path, data: Path | None) -> Compared:
    with ending_at_once():
        from storyteller_exporter.evaluate.character_model import open_model
        from storyteller_exporter.report.character_comparison import compare_models, data_of, recipe_of
        from storyteller_exporter.report.comparison_texts import differing
        from storyteller_exporter.report.run_record import read_run

    pair = open_model(first), open_model(second)
    found = compare_models(*pair, data_of(pair, data))
    histories = [read_run(model.checkpoint.path.parent).history if model.checkpoint else [] for model in pair]
    return found, differing(recipe_of(pair[0]), recipe_of(pair[1])), {"character": histories}


def _of_events(first: Path, second: Path, data: Path | None) -> Compared:
    with events_extra():
        from storyteller_exporter.evaluate.event_model import open_event_model
        from storyteller_exporter.report.comparison_texts import differing
        from storyteller_exporter.report.event_comparison import compare_event_models, histories_of, recipe_of_events

    pair = open_event_model(first), open_event_model(second)
    found = compare_event_models(*pair, data)
    return found, differing(recipe_of_events(pair[0]), recipe_of_events(pair[1])), histories_of(pair)
