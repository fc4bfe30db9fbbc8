"""The exported files of event runs, as their page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.events.data.encoding import Encoded
from storyteller_trainer.events.model.checkpoint import EventCheckpoint
from storyteller_trainer.events.model.classifiers import Task

from storyteller_exporter.evaluate.engine_events import EngineEvents
from storyteller_exporter.evaluate.event_model import EventModel, holds_files, open_event_model
from storyteller_exporter.evaluate.latency import measure_latency
from storyteller_exporter.events.file_metadata import source_notes
from storyteller_exporter.report.comparison import Comparison
from storyteller_exporter.report.event_comparison import compare_event_models
from storyteller_exporter.report.exported_files import IsOwn, latency_line, verified_files

#: Where exported event models lie in the folder of the models.
FOLDERS = ("event_classifier", "joint_classifier", "int8/event_classifier", "int8/joint_classifier")
#: Sentences that are timed, padded and not, as many as `evaluate-classifier` times.
TIMED = 200
#: Sentences of a set on which the engine's files are compared with the runs: a page has to be quick.
QUICK = 200


def exported_files(runs: Sequence[EventCheckpoint], models: Path, sentences: Sequence[Encoded]) -> list[dict[str, Any]]:
    """Those of the runs of which a verification speaks; the first of a folder has the latency of all of them.

    Args:
        models: the folder of the engine's models.
        sentences: to measure latency on; at least one.
    """
    is_own = _is_own(runs)
    found = []
    for name in FOLDERS:
        folder = models / name
        files = verified_files(folder, is_own, lambda file: "")
        for file in files:
            file["title"] = f"{name}/{file['title']}"
        if files:
            files[0]["latency"] = _latency(folder, sentences)
        found += files
    return found


def against_engine(runs: Sequence[EventCheckpoint], model: EventModel, models: Path) -> tuple[Comparison | None, str]:
    """The comparison with the files that the engine loads, on QUICK sentences of a set; or why there is none."""
    joint = all(run.metadata.task is Task.JOINT for run in runs)
    folder = models / ("joint_classifier" if joint else "event_classifier")
    if not holds_files(folder):
        return None, f"There is nothing in {folder} to compare with."
    try:
        engine = open_event_model(folder, [run.folder for run in runs])
        own = _is_own(runs)
        if all(own(one.task, one.notes) for one in engine.sources if one.task in {run.metadata.task for run in runs}):
            return None, f"What lies in {folder} is this very run."
        return compare_event_models(engine, model, most=QUICK), ""
    except StorytellerError as error:
        return None, f"Not compared: {error}"


def _is_own(runs: Sequence[EventCheckpoint]) -> IsOwn:
    expected = {run.metadata.task.value: source_notes(run.metadata) for run in runs}
    return lambda task, notes: (
        task in expected and all(notes.get(key) == value for key, value in expected[task].items())
    )


def _latency(folder: Path, sentences: Sequence[Encoded]) -> str:
    try:
        models = EngineEvents(folder)
    except StorytellerError as error:
        return f"Latency was not measured: {error}"
    found = measure_latency(models, sentences, TIMED)
    what = f"One sentence, padded to 128 tokens, through all files of {folder.name},"
    told = latency_line(what, found.fixed, found.sentences)
    dynamic = f"{found.dynamic.p50_ms:.3g} ms in the median and {found.dynamic.p99_ms:.3g} ms in 99 of 100 cases"
    return f"{told} Not padded it takes {dynamic}."
