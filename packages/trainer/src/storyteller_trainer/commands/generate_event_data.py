"""The command `generate-event-data`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.options import OUTPUT_FILE, json_option, option, refuse_beside

from storyteller_trainer.sample.fallback import EVENT_FILE, EVENT_SEED, EVENTS_PER_KIND

COLUMNS = ("examples", "player", "narrator", "templates", "skeletons", "entities", "bytes")


@command("generate-event-data")
@option(
    "--per-kind",
    type=click.IntRange(min=1),
    default=EVENTS_PER_KIND,
    show_default=True,
    help="Examples a primary kind.",
)
@option("--seed", type=click.IntRange(min=0), default=EVENT_SEED, show_default=True, help="Same seed, same bytes.")
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=EVENT_FILE,
    show_default=True,
    help="Where the JSONL goes; NAME.manifest.json lands beside it.",
)
@option(
    "--prose",
    type=OUTPUT_FILE,
    help="Write the hand-annotated prose set here instead; nothing is generated.",
)
@json_option
def main(per_kind: int, seed: int, output: Path, prose: Path | None, as_json: bool) -> None:
    """Make sample data for event classification and entity extraction.

    Sentences come from templates, so that their event kinds and entities are known. Half are a player's (first person,
    present), half a narrator's (third person, past). --prose writes the other set: sentences written and annotated by
    hand, for evaluation only.

    \b
    Examples:
      generate-event-data --per-kind 1250 --seed 2026 -o artifacts/data/events.jsonl
      generate-event-data --prose artifacts/data/prose.jsonl
    """
    if prose is not None:
        refuse_beside("--prose writes a fixed set", "per_kind", "seed", "output")
    with ending_at_once():
        from storyteller_trainer.sample.events.generate import generate, summary, write_events, write_examples
        from storyteller_trainer.sample.events.prose import load_prose

    if prose is not None:
        examples = load_prose()
        write_examples(prose, examples)
        files = [prose]
    else:
        data = generate(per_kind, seed)
        examples = data.examples
        files = [output, write_events(output, data)]
    _report(summary(examples), files, as_json=as_json)


def _report(rows: dict[str, dict[str, float]], files: list[Path], *, as_json: bool) -> None:
    result: dict[str, Any] = {"files": [str(path) for path in files], "kinds": rows}
    if as_json:
        print_json(result)
        return
    from rich.table import Table

    # Eight columns fit into 80 characters without a frame.
    table = Table("kind", *COLUMNS, box=None, padding=(0, 1, 0, 0))
    for kind, row in rows.items():
        table.add_row(kind, *(str(row[column]) for column in COLUMNS))
    out.print(table)
    for path in files:
        err.print(f"wrote {path}")
