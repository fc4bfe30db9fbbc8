"""One page for the whole session: importance and charts are what takes the time here."""

from __future__ import annotations

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
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of a browser, shared; a test opens its page itself."""
    with new_page(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that a test may change."""
    return shutil.copytree(trained, tmp_path / "run")
