"""One page for the whole session: importance and charts are what takes the time here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Page, new_page
from storyteller_exporter.export.character import export_character
from storyteller_exporter.report.character_page import character_page
from storyteller_schema.contract.onnx import CHARACTER


@pytest.fixture(scope="session")
def models(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the export of `trained`, shared: read only."""
    folder = tmp_path_factory.mktemp("models")
    export_character(trained, folder / CHARACTER.file_name)
    return folder


@pytest.fixture(scope="session")
def page(trained: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `trained`, shared: read only."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(character_page(trained, data=None, models=models), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def events_page(event_runs: Path, event_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `event_runs` after two epochs, with their export; shared: read only."""
    from storyteller_exporter.report import event_predictions
    from storyteller_exporter.report.event_page import event_page

    folder = tmp_path_factory.mktemp("events_page")
    runs = shutil.copytree(event_runs, folder / "runs")
    losses = {"total": 1.5, "heads": {}}
    row = {"learning_rate": 1e-4, "train": losses, "validation": losses, "scores": {"f1": 0.5}}
    for task in ("event", "ner"):
        lines = [json.dumps({"epoch": epoch, **row}) for epoch in (1, 2)]
        (runs / task / "history.jsonl").write_text("\n".join(lines) + "\n")
    shutil.copytree(event_folder, folder / "models" / "event_classifier")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_predictions, "MOST", 12)
        text = event_page([runs / "event", runs / "ner"], folder / "models")
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of a browser, shared; a test opens its page itself."""
    with new_page(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that a test may change."""
    return shutil.copytree(trained, tmp_path / "run")
