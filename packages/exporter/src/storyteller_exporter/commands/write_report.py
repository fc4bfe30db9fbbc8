"""The command `write-report`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
from storyteller_schema.common.console import command, err, out
from storyteller_schema.common.errors import WrongValue
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.hints import hint
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, option
from storyteller_trainer.optional_dependencies import events_extra
from storyteller_trainer.runs.run_files import BEST, CHARACTER_RUN

from storyteller_exporter.commands.model_kinds import check_data, holds_event_runs
from storyteller_exporter.commands.places import models_folder, models_option
from storyteller_exporter.report.extra import is_installed, report_extra

#: The name of the page in the run's folder.
REPORT = "report.html"


@command("write-report")
@click.argument("run", type=INPUT, default=CHARACTER_RUN)
@option("-o", "--output", type=OUTPUT_FILE, help=f"Where the page goes [default: {REPORT} in the run].")
@option("--data", type=INPUT, help="Data to judge a character model on [default: what the run held out].")
@models_option()
@option("--if-installed", is_flag=True, help="Say so and write nothing where the extra `report` is not installed.")
def main(run: Path, output: Path | None, data: Path | None, models: Path | None, if_installed: bool) -> None:
    """Write what a run did, how good its model is and where it is wrong, as one page for a browser.

    RUN is a training run; by default it is artifacts/character. Of the event models it is one run, or the folder of
    both, as artifacts/events. The page needs no network and no other file. In --models the exported files of the run
    and their verification are looked for, and the file that the engine has now, with which a character run is compared.

    \b
    Examples:
      write-report artifacts/character
      write-report artifacts/events
    """
    events = _of_events(run)
    if data is not None:
        if events:
            raise WrongValue("event models are judged on what they held out and on prose; leave --data out", "data")
        check_data(data, events=False)
    if models is not None and not models.is_dir():
        raise WrongValue(f"{models}: no such folder; name the one of the exported files, or leave it out", "models")
    place = models_folder(models)
    if if_installed and not is_installed():
        err.print("no page was written about the run: the extra `report` is not installed")
        return
    with report_extra():
        if events:
            with events_extra():
                from storyteller_exporter.evaluate.event_model import event_runs
                from storyteller_exporter.report.event_page import event_page
        else:
            from storyteller_exporter.report.character_page import character_page

    page = event_page(event_runs(run), place) if events else character_page(run, data=data, models=place)
    target = output or (_together(event_runs(run), run) if events else run) / REPORT
    write_atomic(target, page)
    err.print("open it in a browser:")
    out.print(str(target))


def _together(runs: Sequence[Path], place: Path) -> Path:
    """The folder of one run, or of runs that were trained together: behind the links of artifacts/events, theirs."""
    if runs == [place]:
        return place
    folders = {run.resolve().parent for run in runs}
    return Path(os.path.relpath(folders.pop())) if len(folders) == 1 else place


def _of_events(run: Path) -> bool:
    """Whether a folder is, or holds, runs of the event models.

    Raises:
        WrongValue: it is no run of either kind.
    """
    if holds_event_runs(run):
        return True
    if not (run / BEST).is_file():
        training = hint("train-character-model")
        raise WrongValue(f"{run / BEST}: no such checkpoint; name a run, or train first (`{training}`)", "run")
    return False
