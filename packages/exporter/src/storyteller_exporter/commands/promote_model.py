"""The command `promote-model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.options import INPUT, json_option, judging, option, refuse_beside
from storyteller_trainer.optional_dependencies import events_extra
from storyteller_trainer.runs.run_files import CHARACTER_RUN, EVENT_RUNS

from storyteller_exporter.commands.model_kinds import check_data, holds_events, require_model
from storyteller_exporter.commands.places import markdown_option, models_folder, models_option

if TYPE_CHECKING:
    from storyteller_exporter.export.promotion import Promotion

JUDGED = "What is promoted"


@command("promote-model")
@click.argument("candidate", type=INPUT, required=False)
@option("--events", is_flag=True, help=f"In place of CANDIDATE: the runs in {EVENT_RUNS}.", section=JUDGED)
@option("--joint", is_flag=True, help=f"In place of CANDIDATE: the run {EVENT_RUNS}/joint.", section=JUDGED)
@models_option(section=JUDGED)
@option(
    "--checkpoint",
    type=INPUT,
    help="The run of an ONNX file, or the runs of a folder of them, for parity and held-out examples; needed there.",
    section=JUDGED,
)
@option("--data", type=INPUT, help="Data to compare on [default: that of the run].", section=JUDGED)
@option(
    "--margin",
    type=click.FloatRange(min=0),
    default=0.01,
    show_default=True,
    help="By how much the weighted loss may be higher, or the mean F1 lower, at the worse end of the difference's 95 % "
    "interval.",
    section=JUDGED,
)
@option("--rollback", is_flag=True, help="Bring back what the last promotion replaced.", section=JUDGED)
@markdown_option(section="What comes out")
@json_option
def main(
    candidate: Path | None,
    events: bool,
    joint: bool,
    models: Path | None,
    checkpoint: Path | None,
    data: Path | None,
    margin: float,
    rollback: bool,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Give the engine other models, if they pass every check and are not worse than those it has.

    CANDIDATE is a run or a checkpoint, which is exported for it, or an ONNX file; of the event models the folder of the
    runs of both tasks, a joint run, or a folder of exported files. By default it is the run artifacts/character. What
    lies in --models is replaced only when the run is finished, every check passes, and the weighted loss, or the mean
    F1, on held-out examples is not worse by more than --margin. What was there is kept in previous/, and manifest.json
    says what was promoted, with the SHA-256 of every file. Otherwise nothing changes, and the exit code is 1.

    \b
    Examples:
      promote-model artifacts/character --markdown summary.md
      promote-model --events
      promote-model --events --rollback
    """
    if candidate is not None and (events or joint):
        raise click.UsageError(f"CANDIDATE {candidate} says what already; leave it out, or --events and --joint")
    if rollback:
        refuse_beside("--rollback takes what was kept", "candidate", "checkpoint", "data", "margin")
    place = candidate or (EVENT_RUNS / "joint" if joint else EVENT_RUNS if events else CHARACTER_RUN)
    of_events = events or joint or holds_events(place)
    if not rollback:
        require_model(place, "candidate")
        check_data(data, events=of_events)
    with ending_at_once():  # PyTorch takes seconds
        import msgspec

        from storyteller_exporter.report import comparison_texts

    folder = models_folder(models)
    if rollback:
        found = _rollback(folder, events=events, joint=joint)
    else:
        found = _promote(place, folder, of_events=of_events, checkpoint=checkpoint, data=data, margin=margin)
    verdict = f"{found.target}: {'promoted' if found.promoted else 'NOT promoted'}"
    hashes = [
        f"{name}: SHA-256 {digest}; before {found.previous_files.get(name, 'there was none')}"
        if found.promoted
        else f"{name}: SHA-256 {digest}, as before"
        for name, digest in found.files.items()
    ]
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        if found.comparison is not None:
            out.print(comparison_texts.comparison_table(found.comparison))
        out.print(verdict)
        for line in (*found.reasons, *hashes):
            out.print(f"  {line}")
    if markdown is not None:
        lines = [f"**{verdict}**", *found.reasons, *hashes]
        title = "Promotion of event models" if of_events else "Promotion of a character model"
        write_atomic(markdown, comparison_texts.markdown(title, lines, found.comparison, {}))
        err.print(f"summary: {markdown}")
    if not found.promoted:
        raise click.exceptions.Exit(1)


def _promote(
    place: Path, models: Path, *, of_events: bool, checkpoint: Path | None, data: Path | None, margin: float
) -> Promotion:
    if of_events:
        with events_extra():
            from storyteller_exporter.export.event_promotion import EventCandidate
            from storyteller_exporter.export.promotion import promote

        with judging("candidate"):
            events = EventCandidate(place, models, checkpoint=checkpoint, data=data)
        return promote(events, margin)
    with ending_at_once():
        from storyteller_exporter.export.character_promotion import CharacterCandidate
        from storyteller_exporter.export.promotion import promote

    return promote(CharacterCandidate(place, models, checkpoint=checkpoint, data=data), margin)


def _rollback(models: Path, *, events: bool, joint: bool) -> Promotion:
    with ending_at_once():
        from storyteller_schema.contract.onnx import CHARACTER

        from storyteller_exporter.export.promotion import rollback

    if not (events or joint):
        return rollback(models, [CHARACTER.file_name])
    with events_extra():
        from storyteller_exporter.export.event_promotion import FILES

    name = "joint_classifier" if joint else "event_classifier"
    return rollback(models / name, FILES[name])
