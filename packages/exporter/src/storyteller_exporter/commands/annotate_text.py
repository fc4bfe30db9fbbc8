"""The command `annotate-text`."""

from __future__ import annotations

from pathlib import Path

import click
from storyteller_schema.common.console import command, err, out, print_json
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.options import INPUT, OUTPUT_FILE, json_option, judging, option
from storyteller_schema.common.settings import ARTIFACTS
from storyteller_trainer.optional_dependencies import events_extra

from storyteller_exporter.commands.places import models_folder, models_option
from storyteller_exporter.events.named_folders import require_models

#: By the tool that is to read the tasks.
OUTPUTS = {"label-studio": ARTIFACTS / "data" / "tasks.json", "doccano": ARTIFACTS / "data" / "tasks.jsonl"}


@command("annotate-text")
@click.argument("texts", nargs=-1, required=True, type=INPUT)
@models_option(section="Models")
@option(
    "--count",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Sentences to be annotated, the random ones among them.",
    section="Choice",
)
@option(
    "--random-share",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Of them, drawn at random: only these score a model honestly.",
    section="Choice",
)
@option("--seed", type=click.IntRange(min=0), default=42, show_default=True, help="Of the draw.", section="Choice")
@option(
    "--register",
    type=click.Choice(["player", "narrator"]),
    default="narrator",
    show_default=True,
    help="Whose voice it is.",
    section="Choice",
)
@option(
    "--tool",
    type=click.Choice(list(OUTPUTS)),
    default="label-studio",
    show_default=True,
    help="Which is to read the tasks.",
    section="Tasks",
)
@option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="The tasks; the random ones get NAME.random beside it. [artifacts/data/tasks.json]",
    section="Tasks",
)
@json_option
def main(
    texts: tuple[Path, ...],
    models: Path | None,
    count: int,
    random_share: float,
    seed: int,
    register: str,
    tool: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Choose the sentences of TEXTS that are most worth a person's time, and write them as tasks with suggestions.

    The exported event models annotate every sentence. Those of which they are unsure are taken, as different from each
    other as they can be, and some at random, into a file of their own. What people make of the tasks comes back by
    import-annotations.

    \b
    Example:
      annotate-text transcript.txt --count 200 -o artifacts/data/tasks.json
    """
    folder = models_folder(models) / "event_classifier"
    with judging("texts"):
        for path in texts:
            if not path.is_file():
                found = "is no file" if path.exists() else "no such file"
                raise StorytellerError(f"{path}: {found}; a UTF-8 text is expected")
    with judging("models"):
        require_models(folder)
    target = output or OUTPUTS[tool]
    with events_extra():
        from rich.progress import Progress
        from storyteller_schema.contract.events import Register

        from storyteller_exporter.annotate.pick import pick
        from storyteller_exporter.annotate.tasks import sentences, suggest, write_config, write_tasks
        from storyteller_exporter.evaluate.engine_events import EngineEvents

    given = sentences(texts, Register(register))
    engine = EngineEvents(folder)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("sentences", total=len(given))
        suggestions = suggest(engine, given, lambda: progress.advance(bar))
    chosen = pick(
        [one.example.text for one in suggestions],
        [one.uncertainty for one in suggestions],
        count,
        random_share,
        seed,
    )
    files = {}
    for name, indices in ((target, chosen.uncertain), (target.with_suffix(f".random{target.suffix}"), chosen.random)):
        if indices:
            write_tasks(name, [suggestions[index] for index in indices], tool)
            files[str(name)] = len(indices)
    if tool == "label-studio":
        write_config(target.with_suffix(".config.xml"))
    if as_json:
        print_json({"sentences": len(given), "files": files})
        return
    out.print(
        f"{len(given):,} sentences; chosen {len(chosen.uncertain)} uncertain and {len(chosen.random)} random ones"
    )
    for written, number in files.items():
        err.print(f"wrote {number} tasks: {written}")
    if tool == "label-studio":
        err.print(f"labelling configuration: {target.with_suffix('.config.xml')}")
