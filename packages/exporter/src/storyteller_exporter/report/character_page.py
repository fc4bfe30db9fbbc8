"""The page of a character run: what it did, how good it is, where it is wrong, and whether it may be shipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.hints import hint
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.checkpoint import Checkpoint, load_checkpoint
from storyteller_trainer.character.model.held_out import DividedData

from storyteller_exporter.character.cases import evenly_spaced
from storyteller_exporter.character.file_metadata import EPOCH, LOSS
from storyteller_exporter.evaluate.character_evaluation import CharacterReport, evaluate
from storyteller_exporter.evaluate.character_model import of_checkpoint, open_model
from storyteller_exporter.evaluate.judged import Judged, find_examples, judge
from storyteller_exporter.evaluate.row_figures import DOMINANT, JUDGED
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.report import character_charts as charts
from storyteller_exporter.report.comparison import Comparison, Outcome, compare_models
from storyteller_exporter.report.comparison_texts import figure_row
from storyteller_exporter.report.explorer import explorer_data
from storyteller_exporter.report.importance import ROWS, importance
from storyteller_exporter.report.page import render
from storyteller_exporter.report.run_record import RunRecord, read_run
from storyteller_exporter.verify.verification import REPORT_NAME

#: An excess of the total loss up to this is called small: five reference seeds differ by about as much.
SMALL_EXCESS = 0.15

PARTS = [
    ("verdict", "Verdict"),
    ("curves", "Training"),
    ("scores", "Losses and accuracies"),
    ("confusion", "Confusion"),
    ("calibration", "Calibration"),
    ("importance", "Importance"),
    ("data", "Data"),
    ("slices", "Slices"),
    ("mistakes", "Mistakes"),
    ("file", "Exported file"),
    ("comparison", "Comparison"),
    ("explorer", "Explorer"),
]


class Answer(NamedTuple):
    """One of the questions that the page is opened with."""

    question: str
    answer: str
    #: `good`, `warn`, `bad`, or empty where nothing can be said.
    mood: str


@dataclass(frozen=True)
class Scored:
    """What a run's model showed on held-out examples."""

    divided: DividedData
    judged: Judged
    report: CharacterReport


def character_page(run: Path, *, data: Path | None, models: Path) -> str:
    """The page of a run, of its best checkpoint.

    Args:
        run: the folder.
        data: where the examples are; None for what the run held out. Where that is gone, the page has what the run
            itself has written down.
        models: the folder of the engine's files, in which those of this run and their verification are looked for.

    Raises:
        StorytellerError: the run cannot be read, or the data that is named.
    """
    source = load_checkpoint(run)
    record = read_run(run)
    scored, why_not = _scored(source, data)
    verified = [file for folder in (models, models / "int8") for file in _verified(folder, source)]
    comparison, trouble = _against_engine(source, scored, models / CHARACTER.file_name)
    values: dict[str, Any] = {
        "title": f"Character model: run {run.resolve().name}",
        "subtitle": _subtitle(record, source),
        "parts": [part for part in PARTS if _has(part[0], scored, comparison)],
        "version": version("storyteller-exporter"),
        "verdict": _verdict(record, scored, why_not, verified, comparison, trouble),
        "notices": scored.report.notices if scored else [],
        "repeat": _repeat(record, source),
        "recipe": sorted(source.metadata.config.items()),
        "origin": _origin(record),
        "versions": sorted(source.metadata.versions.items()),
        "curves": charts.curves(record.history, source.metadata.epoch, _irreducible(record)) if record.history else [],
        "why_not": why_not,
        "verified": verified,
        "models": models,
        "parameters": source.metadata.parameters,
        "engine_cut": charts.ENGINE_CUT,
        "report": scored.report if scored else None,
        "explorer": explorer_data(source.model, scored.judged) if scored else None,
        "comparison_rows": _comparison_rows(comparison) if comparison else [],
        "comparison_text": _comparison_text(comparison) if comparison else "",
    }
    if scored:
        values |= _figures(scored, source)
    return render("character.html", **values)


def _has(part: str, scored: Scored | None, comparison: Comparison | None) -> bool:
    if part == "comparison":
        return comparison is not None
    return scored is not None or part in ("verdict", "curves", "scores", "file", "explorer")


def _scored(source: Checkpoint, data: Path | None) -> tuple[Scored | None, str]:
    """The evaluation, or why there is none; data that is named has to be there."""
    try:
        divided = find_examples(data, source)
    except StorytellerError as error:
        if data is not None:
            raise
        return None, str(error)
    model = of_checkpoint(source)
    judged = judge(model, divided.data, divided.held_out)
    return Scored(divided, judged, evaluate(model, divided, judged)), ""


def _figures(scored: Scored, source: Checkpoint) -> dict[str, Any]:
    """What the page shows of the evaluation."""
    report, judged = scored.report, scored.judged
    rows = evenly_spaced(judged.rows, ROWS)
    features, labels = (np.asarray(table[rows]) for table in (judged.data.features, judged.data.labels))
    found = importance(source.model, features, labels, report.head_weights)
    heads = ["total", *HEADS]
    region_rows = [[found.regions[region][head] for head in heads] for region in found.regions]
    by_kind: dict[str, list[Any]] = {}
    for one in report.slices:
        by_kind.setdefault(one.kind, []).append(one)
    overall = report.losses["total"].loss.value
    return {
        "reliability": charts.reliability(report),
        "importance": found,
        "importance_rows": len(rows),
        "importance_heads": heads,
        "region_rows": region_rows,
        "region_scale": max(max(map(max, region_rows)), 1e-12),
        "fields_chart": charts.fields_that_matter(found.fields),
        "data_charts": [*charts.shares(judged.labels, report), charts.cell_sizes(judged.data.cells)],
        "slot_rows": _slots(features),
        "warnings": [],
        "slice_charts": [charts.slice_losses(kind, ones, overall) for kind, ones in by_kind.items()],
        "slice_columns": ["slice", "examples", "cells", "loss", "interval", *JUDGED],
        "slice_rows": [
            [
                f"{one.kind}: {one.name}",
                f"{one.examples:,}",
                f"{one.cells:,}",
                f"{one.loss.value:.3f}",
                one.loss.reach(".3f"),
                *(_share(one.accuracy.get(name), name in one.weak) for name in JUDGED),
            ]
            for one in report.slices
        ],
        "loss_rows": [
            [name, f"{report.head_weights[name]:g}" if name in HEADS else "", *_loss(figure)]
            for name, figure in report.losses.items()
        ],
        "term_rows": [[name, *_loss(figure)] for name, figure in report.terms.items()],
        "accuracy_rows": [
            [
                name,
                f"{entry.as_engine.value:.1%}",
                entry.as_engine.reach(".1%"),
                "" if entry.at_even_odds is None else f"{entry.at_even_odds.value:.1%}",
                "" if entry.ceiling is None else f"{entry.ceiling:.1%}",
            ]
            for name, entry in report.accuracy.items()
        ],
    }


def _loss(figure: Any) -> list[str]:
    floor, excess = ("" if value is None else f"{value:.4f}" for value in (figure.irreducible, figure.excess))
    return [f"{figure.loss.value:.4f}", figure.loss.reach(".4f"), floor, excess]


def _share(estimate: Any, weak: bool) -> str:
    return "" if estimate is None else f"{estimate.value:.1%}{' (weak)' if weak else ''}"


def _slots(features: Any) -> list[list[str]]:
    rows = []
    for region in FEATURES.regions:
        slots = features[:, region.span].reshape(len(features), region.slots, region.per_slot).any(axis=2)
        rows.append([region.name, f"{slots.sum(axis=1).mean():.1f}", str(region.slots)])
    return rows


def _irreducible(record: RunRecord) -> Mapping[str, float]:
    told = record.summary.get("irreducible") or {}
    return {name: told[name] for name in ("total", *HEADS) if name in told}


def _subtitle(record: RunRecord, source: Checkpoint) -> str:
    about = source.metadata
    parts = [f"{about.parameters:,} parameters", f"best epoch {about.epoch}", f"validation loss {about.val_loss:.4f}"]
    if "seconds" in record.summary:
        parts.append(f"{record.summary['seconds']:.0f} s on {record.summary.get('device', 'an unknown device')}")
    return ", ".join(parts)


def _repeat(record: RunRecord, source: Checkpoint) -> list[str]:
    """Lines for a shell that do the same training, export and verification again."""
    files = [file["path"] for file in record.summary.get("data", {}).get("files", [])]
    recipe = source.metadata.config
    lines = []
    if told := record.summary.get("command"):
        lines.append(told if isinstance(told, str) else " ".join(map(str, told)))
    else:
        options = [word for name, value in sorted(recipe.items()) for word in _option(name, value)]
        threads = ["--threads", str(source.metadata.threads)] if source.metadata.threads else []
        lines.append(hint("train-character-model", *options, *threads, data=[Path(file) for file in files]))
    lines.append(hint("export-character-model"))
    return lines


def _option(name: str, value: Any) -> list[str]:
    """The seed and the preset say most; what else differs stands in the table of the recipe."""
    return [f"--{name}", str(value)] if name in ("seed", "epochs") else []


def _origin(record: RunRecord) -> list[tuple[str, str]]:
    data = record.summary.get("data", {})
    rows = [(file["path"], f"SHA-256 {file['hash']}") for file in data.get("files", [])]
    for key in ("examples", "cells", "duplicates", "train_examples", "validation_examples"):
        if key in data:
            rows.append((key.replace("_", " "), f"{data[key]:,}"))
    for key in ("commit", "host", "started", "device", "threads"):
        if record.summary.get(key) not in (None, ""):
            rows.append((key, str(record.summary[key])))
    return rows


# --- the verdict -------------------------------------------------------------------------------------------------


def _verdict(
    record: RunRecord,
    scored: Scored | None,
    why_not: str,
    verified: list[dict[str, Any]],
    comparison: Comparison | None,
    trouble: str,
) -> list[Answer]:
    return [
        _did(record),
        _good(scored, why_not),
        _better(comparison, trouble),
        _wrong(scored, why_not),
        _ship(record, verified, comparison),
    ]


def _did(record: RunRecord) -> Answer:
    question = "What did this run do?"
    if not record.summary:
        return Answer(question, "There is no run.json: nothing is known but the checkpoint.", "warn")
    data, epochs = record.summary.get("data", {}), record.summary.get("epochs", len(record.history))
    what = f"{epochs} epochs on {data.get('train_examples', 0):,} examples of {data.get('file', 'unknown data')}"
    if record.finished:
        return Answer(question, f"{what}; it came to its end.", "good")
    return Answer(question, f"{what}; it did not come to its end.", "bad")


def _good(scored: Scored | None, why_not: str) -> Answer:
    question = "How good is it?"
    if scored is None:
        return Answer(question, f"Not judged: {why_not}", "")
    total = scored.report.losses["total"]
    if total.excess is None or total.irreducible is None:
        return Answer(question, f"Loss {total.loss.value:.4f}; what is possible is not known for this data.", "")
    text = f"Loss {total.loss.value:.4f}, of which {total.excess:.4f} is above what is possible."
    return Answer(question, text, "good" if total.excess <= SMALL_EXCESS else "warn")


def _better(comparison: Comparison | None, trouble: str) -> Answer:
    question = "Is it better than what the engine has now?"
    if comparison is None:
        return Answer(question, trouble, "")
    moods = {Outcome.BETTER: "good", Outcome.WORSE: "bad", Outcome.UNDECIDED: "warn"}
    return Answer(question, _comparison_text(comparison), moods[comparison.outcome])


def _wrong(scored: Scored | None, why_not: str) -> Answer:
    question = "Where is it wrong?"
    if scored is None:
        return Answer(question, f"Not judged: {why_not}", "")
    report = scored.report
    missed = [
        f"{name} is right in {report.accuracy[name].as_engine.value:.1%} and could be in {ceiling:.1%}"
        for name in ("thought.awareness", DOMINANT)
        if name in report.accuracy and (ceiling := report.accuracy[name].ceiling) is not None
    ]
    weak = [f"{one.kind} {one.name}" for one in report.slices if one.weak]
    where = f" Weakest: {', '.join(weak[:6])}." if weak else " No slice is clearly weaker than the rest."
    return Answer(question, f"{'; '.join(missed) or 'No ceiling is known'}.{where}", "warn" if weak else "good")


def _ship(record: RunRecord, verified: list[dict[str, Any]], comparison: Comparison | None) -> Answer:
    question = "May I ship it?"
    if not record.finished:
        return Answer(question, "No: the run is not finished.", "bad")
    if not verified:
        return Answer(question, "Not yet: no verified file of this checkpoint was found. Export it first.", "warn")
    failed = [file["title"] for file in verified if not file["passed"]]
    if failed:
        return Answer(question, f"No: {', '.join(failed)} did not pass.", "bad")
    if comparison is not None and comparison.outcome is Outcome.WORSE:
        return Answer(question, "Better not: its file passes, and it is worse than what the engine has.", "bad")
    return Answer(question, f"Yes: {', '.join(file['title'] for file in verified)} passed every check.", "good")


# --- the exported file -------------------------------------------------------------------------------------------


def _verified(folder: Path, source: Checkpoint) -> list[dict[str, Any]]:
    """The files of this checkpoint of which a verification speaks, as the page shows them."""
    try:
        told = json.loads((folder / REPORT_NAME).read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return []
    found = []
    for file in told:
        about = file.get("metadata", {})
        mark = (about.get(EPOCH), about.get(LOSS), about.get(metadata_props.DATA_HASH))
        own = (str(source.metadata.epoch), repr(source.metadata.val_loss), source.metadata.data_hash)
        if file.get("interface") != CHARACTER.name or mark != own:
            continue
        found.append(_shown(file, folder))
    return found


def _shown(file: dict[str, Any], folder: Path) -> dict[str, Any]:
    place = folder / Path(file["file"]).name
    size = f"{place.stat().st_size:,} bytes" if place.is_file() else "not there any more"
    precision = file["metadata"].get(metadata_props.PRECISION, "unknown precision")
    compared = file.get("differences", [])
    cases = list(dict.fromkeys(f"{each['case']}, against {each['against']}" for each in compared))
    outputs = list(dict.fromkeys(each["output"] for each in compared))
    shares = {(f"{each['case']}, against {each['against']}", each["output"]): each["share"] for each in compared}
    problems = [f"{check['name']}: {check['detail']}" for check in file["checks"] if check["status"] == "failed"]
    return {
        "title": f"{place.name} ({precision}, {size})",
        "passed": file["passed"],
        "verdict": f"{file['verdict']}{': ' if problems else ''}{'; '.join(problems)}",
        "parity_cases": cases,
        "parity_outputs": outputs,
        # What is not finite is worse than any share.
        "parity": [[_or_inf(shares.get((case, output))) for output in outputs] for case in cases],
        "changes": [
            [each["name"], f"{each['reference']:.4f}", f"{each['found']:.4f}", f"{each['limit']:g}"]
            for each in file.get("changes", [])
        ],
    }


def _or_inf(share: float | None) -> float:
    return float("inf") if share is None else share


# --- beside the engine's file ------------------------------------------------------------------------------------


def _against_engine(source: Checkpoint, scored: Scored | None, file: Path) -> tuple[Comparison | None, str]:
    """The comparison with the file that the engine loads, or why there is none."""
    if not file.is_file():
        return None, f"There is no {file} to compare with."
    if scored is None:
        return None, "Not compared: there are no examples to compare on."
    try:
        engine = open_model(file)
        if engine.metadata.get(LOSS) == repr(source.metadata.val_loss) and (
            engine.facts.data_hash == source.metadata.data_hash
        ):
            return None, f"{file} is this very run."
        return compare_models(engine, of_checkpoint(source), scored.divided.data), ""
    except StorytellerError as error:
        return None, f"Not compared: {error}"


def _comparison_text(comparison: Comparison) -> str:
    total = comparison.deciding
    words = {
        Outcome.BETTER: "It is better",
        Outcome.WORSE: "It is worse",
        Outcome.UNDECIDED: "No difference is shown",
    }
    notices = "".join(f" But {notice}." for notice in comparison.notices)
    return (
        f"{words[comparison.outcome]}: the weighted loss is {total.second:.4f} against {total.first:.4f} of "
        f"{comparison.first.file}, a difference of {total.difference:+.4f} ({total.low:+.4f} to {total.high:+.4f}) on "
        f"{comparison.examples:,} examples.{notices}"
    )


def _comparison_rows(comparison: Comparison) -> list[list[str]]:
    return [figure_row(one) for one in comparison.figures]
