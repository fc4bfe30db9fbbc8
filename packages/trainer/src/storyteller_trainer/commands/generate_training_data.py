"""`generate-training-data`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option

from storyteller_trainer.reading.jsonl import check_name
from storyteller_trainer.sample.character.config import DEFAULT_CELLS, DEFAULT_EXAMPLES, SampleConfig
from storyteller_trainer.sample.fallback import CHARACTER_FILE

if TYPE_CHECKING:
    from storyteller_trainer.character.data.manifest import Manifest

#: Away from a terminal, a line of progress is printed this often.
SECONDS_BETWEEN_LINES = 5.0


@command("generate-training-data")
@option(
    "--genre",
    default=SampleConfig().genre,
    show_default=True,
    help="Id of a genre of the descriptors.",
    section="What is drawn",
)
@option(
    "--cells",
    type=int,
    help=f"Cells to draw from.  [default: {DEFAULT_CELLS}, or all there are]",
    section="What is drawn",
)
@option(
    "--examples",
    type=int,
    help=f"Examples to draw, over all cells.  [default: {DEFAULT_EXAMPLES}]",
    section="What is drawn",
)
@option(
    "--variations",
    type=int,
    help="Examples to draw from each cell, instead of --examples.",
    section="What is drawn",
)
@option(
    "--seed",
    default=SampleConfig().seed,
    show_default=True,
    help="Same seed, same examples and ids.",
    section="What is drawn",
)
@option(
    "--min-coherence",
    default=SampleConfig().min_coherence,
    show_default=True,
    help="Reject examples whose labels fit their scenario less well, from 0 to 1.",
    section="What is drawn",
)
@option(
    "--descriptors",
    type=INPUT,
    help="Folder of the six descriptor files.  [default: $STORYTELLER_DATA_PATH/training-data/descriptors if it is "
    "there, else those shipped here]",
    section="Files",
)
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=CHARACTER_FILE,
    show_default=True,
    help="JSONL, or .jsonl.gz.",
    section="Files",
)
@json_option
def main(
    genre: str,
    cells: int | None,
    examples: int | None,
    variations: int | None,
    seed: int,
    min_coherence: float,
    descriptors: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """Make training data for the character model: scenarios and labels drawn as the engine's generator draws them.

    Beside NAME.jsonl stands NAME.manifest.json, with the irreducible loss: the lowest loss that these labels allow any
    model. Examples under --min-coherence are counted and left out, not replaced.

    \b
    Example:
      generate-training-data --genre low_fantasy_folklore --examples 15000 -o artifacts/data/character.jsonl
    """
    config = SampleConfig(
        genre=genre,
        cells=cells,
        examples=examples,
        variations=variations,
        seed=seed,
        min_coherence=min_coherence,
    )
    with judging("output"):
        check_name(output)
    with ending_at_once():
        import msgspec

        from storyteller_trainer.sample.character.descriptor_files import find_descriptors, load_descriptors
        from storyteller_trainer.sample.character.plan import make_plan
        from storyteller_trainer.sample.character.writer import write_dataset

    source = find_descriptors(descriptors)
    err.print(f"Descriptors: {source.folder} ({source.reason})")
    started = time.perf_counter()
    plan = make_plan(load_descriptors(source.folder), config)
    if cells is None and len(plan.cells) < DEFAULT_CELLS:
        err.print(f"Drawing from {len(plan.cells):,} cells; genre {genre} has {plan.available:,}")
    with _progress(plan.total) as advance:
        manifest = write_dataset(plan, output, advance)
    seconds = time.perf_counter() - started
    if as_json:
        print_json({"file": str(output), "seconds": round(seconds, 3)} | msgspec.to_builtins(manifest))
    else:
        for row in _summary(manifest, output, seconds):
            out.print(row)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere a line now and then."""
    if err.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("Generating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("", total=total)
            yield lambda examples: bar.advance(task, examples)
        return
    done, last = 0, time.monotonic()

    def line(examples: int) -> None:
        nonlocal done, last
        done += examples
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            err.print(f"{done:,} of {total:,} examples")

    yield line


def _summary(manifest: Manifest, output: Path, seconds: float) -> list[str]:
    from storyteller_schema.contract.predictions import HEADS

    loss = manifest.irreducible_loss
    heads = ", ".join(f"{head} {getattr(loss, head):.4f}" for head in HEADS)
    rows = {
        "examples": f"{manifest.total_valid:,}",
        "cells": f"{manifest.cells:,} ({manifest.matrix_coverage:.1%} of the genre's)",
        "rejected": f"{manifest.total_rejected:,} (coherence under {manifest.min_coherence})",
        "mean coherence": f"{manifest.mean_coherence:.4f}",
        "irreducible loss": f"{loss.total:.4f} ({heads})",
        "file": f"{output} ({output.stat().st_size / 1e6:.1f} MB)",
        "time": f"{seconds:.2f} s",
    }
    return [f"{name:<18}{value}" for name, value in rows.items()]
