"""The command `promote-model`."""

from __future__ import annotations

from pathlib import Path

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.files import write_atomic
from storyteller_schema.common.options import INPUT, json_option, judging, option, refuse_beside
from storyteller_trainer.character.data.data_files import find_shards
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, check_file
from storyteller_trainer.runs.run_files import CHARACTER_RUN

from storyteller_exporter.commands.places import markdown_option, models_folder, models_option, require_model

JUDGED = "What is promoted"


@command("promote-model")
@click.argument("candidate", type=INPUT, default=CHARACTER_RUN)
@models_option(section=JUDGED)
@option(
    "--checkpoint",
    type=INPUT,
    help="The run of an ONNX file, for parity and held-out examples; it needs one.",
    section=JUDGED,
)
@option("--data", type=INPUT, help="Data to compare on [default: that of the run].", section=JUDGED)
@option(
    "--margin",
    type=click.FloatRange(min=0),
    default=0.01,
    show_default=True,
    help="By how much the weighted loss may be higher, at the upper end of the difference's 95 % interval.",
    section=JUDGED,
)
@option("--rollback", is_flag=True, help="Bring back what the last promotion replaced.", section=JUDGED)
@markdown_option(section="What comes out")
@json_option
def main(
    candidate: Path,
    models: Path | None,
    checkpoint: Path | None,
    data: Path | None,
    margin: float,
    rollback: bool,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Give the engine another character model, if it passes every check and is not worse than the one it has.

    CANDIDATE is a run or a checkpoint, which is exported for it, or an ONNX file; by default it is the run
    artifacts/character. The file in --models is replaced only when the run is finished, every check passes, and the
    weighted loss on held-out examples is not higher by more than --margin. The one before is kept in previous/, and
    manifest.json says what was promoted, with its SHA-256. Otherwise nothing changes, and the exit code is 1.

    \b
    Examples:
      promote-model artifacts/character --markdown summary.md
      promote-model --rollback
    """
    if rollback:
        refuse_beside("--rollback takes what was kept", "candidate", "checkpoint", "data", "margin")
    else:
        require_model(candidate, "candidate")
        if data is not None:
            with judging("data"):
                for file in find_shards([data]):
                    check_file(file, CHARACTER_MAKER)
    with ending_at_once():  # PyTorch takes seconds
        import msgspec

        from storyteller_exporter.export import promotion
        from storyteller_exporter.report import comparison_texts

    folder = models_folder(models)
    if rollback:
        found = promotion.rollback(folder)
    else:
        found = promotion.promote(candidate, folder, checkpoint=checkpoint, data=data, margin=margin)
    verdict = f"{found.target}: {'promoted' if found.promoted else 'NOT promoted'}"
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        if found.comparison is not None:
            out.print(comparison_texts.comparison_table(found.comparison))
        out.print(verdict)
        for reason in found.reasons:
            out.print(f"  {reason}")
        out.print(f"SHA-256 {found.sha256}; before {found.previous_sha256 or 'there was none'}")
    if markdown is not None:
        lines = [f"**{verdict}**", *found.reasons, f"SHA-256 `{found.sha256}`"]
        write_atomic(markdown, comparison_texts.markdown("Promotion of a character model", lines, found.comparison, {}))
        err.print(f"summary: {markdown}")
    if not found.promoted:
        raise click.exceptions.Exit(1)
