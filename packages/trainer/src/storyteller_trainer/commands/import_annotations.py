"""The command `import-annotations`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option, refuse_beside
from storyteller_schema.common.settings import ARTIFACTS

from storyteller_trainer.optional_dependencies import missing

FORMATS = ("brat", "iob2", "label-studio", "doccano")
DEFAULT_OUTPUT = ARTIFACTS / "data" / "annotated.jsonl"


@command("import-annotations")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@option("--format", "format_", type=click.Choice(FORMATS), help="Of PATHS. [by their names]", section="What is read")
@option("--map", "map_file", type=INPUT, help="TOML: which labels are which of ours.", section="What is read")
@option(
    "--offsets",
    type=click.Choice(["characters", "bytes", "utf-16"]),
    help="What offsets count. [told by the texts of the spans]",
    section="What is read",
)
@option(
    "--column",
    type=click.IntRange(min=2),
    help="Of the label in IOB2 files, counted from 1. [the last]",
    section="What is read",
)
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="What is written.",
    section="What is made",
)
@option(
    "--pieces",
    type=click.Choice(["texts", "lines", "sentences"]),
    help="What becomes one record. [brat: lines, others: texts]",
    section="What is made",
)
@option(
    "--register",
    type=click.Choice(["player", "narrator"]),
    default="narrator",
    show_default=True,
    help="Whose voice it is.",
    section="What is made",
)
@option(
    "--determiners",
    type=click.Choice(["keep", "inside", "outside"]),
    default="keep",
    show_default=True,
    help="Take determiners into the spans, or leave them out.",
    section="What is made",
)
@option(
    "--weight",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="How much a record counts in training, beside others.",
    section="What is made",
)
@option(
    "--train-only",
    is_flag=True,
    help="All records train; none is held out to be scored.",
    section="What is made",
)
@option(
    "--to",
    type=click.Choice(FORMATS),
    help="The other way: PATHS are event data, written for this tool.",
    section="What is made",
)
@json_option
def main(paths: tuple[Path, ...], output: Path, to: str | None, as_json: bool, **options: Any) -> None:
    """Make event data from what people annotated with brat, Label Studio, doccano or in IOB2 columns, or the reverse.

    Offsets in bytes, characters or UTF-16 are told apart by the texts of the spans. Of spans that share text the
    outermost is kept. What is dropped is listed with its reason. The --map file also says what was annotated at all:
    what was not is no negative in training, and no score counts it.

    \b
    Example:
      import-annotations litbank/entities/brat --map litbank.toml -o artifacts/data/litbank.jsonl
    """
    with judging("paths"):
        for path in paths:
            if not path.exists():
                raise StorytellerError(f"{path}: no such file or folder")
    if to is not None:
        refuse_beside(
            "--to reads event data",
            *("format_", "map_file", "offsets", "column", "pieces", "register", "determiners", "weight", "train_only"),
        )
        _write(paths, output, to)
        return
    _read(paths, output, as_json, **options)


def _write(paths: tuple[Path, ...], output: Path, to: str) -> None:
    with ending_at_once():
        from storyteller_trainer.annotations.importing import WRITERS, Format
        from storyteller_trainer.events.data.dataset import load_event_files

    examples = load_event_files(paths).examples
    for notice in WRITERS[Format(to)](examples, output):
        err.print(notice)
    err.print(f"wrote {len(examples):,} sentences: {output}")


def _read(
    paths: tuple[Path, ...],
    output: Path,
    as_json: bool,
    *,
    format_: str | None,
    map_file: Path | None,
    offsets: str | None,
    column: int | None,
    pieces: str | None,
    register: str,
    determiners: str,
    weight: float,
    train_only: bool,
) -> None:
    with ending_at_once():
        import msgspec
        from storyteller_schema.contract.events import Register

        from storyteller_trainer.annotations.category_map import own_names, read_map
        from storyteller_trainer.annotations.document import Unit
        from storyteller_trainer.annotations.importing import Format, Importer, Pieces, format_of
        from storyteller_trainer.events.data.convention import SpanConvention
        from storyteller_trainer.sample.events.generate import write_examples

    with judging("map_file"):
        meaning = read_map(map_file) if map_file else own_names()
    importer = Importer(
        meaning,
        pieces=Pieces(pieces) if pieces else None,
        offsets=Unit(offsets) if offsets else None,
        column=column,
        register=Register(register),
        determiners={"inside": SpanConvention.INSIDE, "outside": SpanConvention.OUTSIDE}.get(
            determiners, SpanConvention.UNKNOWN
        ),
        weight=weight,
        train_only=train_only,
    )
    with judging("paths"):
        formats = [Format(format_) if format_ else format_of(path) for path in paths]
    try:
        for path, one in zip(paths, formats, strict=True):
            importer.add(path, one)
    except ModuleNotFoundError as error:
        raise missing(str(error.name)) from error
    if not importer.examples:
        raise StorytellerError(
            f"nothing to write: {'; '.join(importer.drops.lines()) or 'no annotated text was found'}"
        )
    write_examples(output, importer.examples)
    report = importer.report()
    if as_json:
        print_json({"file": str(output), **msgspec.to_builtins(report)})
        return
    categories = ", ".join(f"{name} {count}" for name, count in report.categories.items() if count)
    out.print(f"{report.documents:,} texts, {report.records:,} records, {report.with_kinds:,} of them with event kinds")
    out.print(f"{report.entities:,} entities: {categories}")
    out.print(f"entity spans: {report.spans}, {report.determiner_share:.1%} begin with one")
    fitted = ", ".join(f"{unit} {count}" for unit, count in report.offsets.items() if count)
    if fitted:
        out.print(f"offsets that fit only: {fitted}")
    for line in importer.drops.lines():
        out.print(line)
    err.print(f"wrote {output}")
