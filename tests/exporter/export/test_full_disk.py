"""The disk is full from some write of an export on: one message, the old files stay, and the next export works."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from failing_disk import at_every_write, full_disk
from storyteller_exporter.export import events
from storyteller_exporter.export.character import export_character
from storyteller_exporter.export.events import export_events
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.onnx import CHARACTER


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hold(export: Callable[[], object], folder: Path) -> None:
    export()
    names = set(contents(folder))
    for path in folder.iterdir():
        path.write_bytes(b"old")
    old = contents(folder)

    def check(number: int, error: Exception) -> None:
        assert isinstance(error, StorytellerError), repr(error)
        told = str(error)
        assert re.match(rf"^{folder}[^:]*: cannot write here: No space left on device; make room there", told), told
        assert "\n" not in told
        assert contents(folder) == old
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]

    assert at_every_write(export, check) >= len(names)
    assert set(contents(folder)) == names
    assert all(content != b"old" for content in contents(folder).values())


@pytest.mark.usefixtures("traced")
def test_of_a_character_model(run: Path) -> None:
    folder = Path("work/models")
    target = folder / CHARACTER.file_name
    hold(lambda: export_character(run, target), folder)
    with full_disk(0), pytest.raises(StorytellerError, match=f"^{target}: cannot write here"):
        export_character(run, target)


def test_of_the_classifiers(event_runs: Path, event_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        events, "export_module", lambda module, example, interface: onnx.load(str(event_folder / interface.file_name))
    )
    folder = Path("work/event_classifier")
    hold(lambda: export_events(event_runs, folder), folder)
