"""What is larger than anything the engine has is not read to its end, and not passed over either."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_copy import EngineCopy
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.drift import differences, rust_crates, rust_source


def test_json_that_is_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "schema.json"
    path.write_text("{}" + " " * 100)
    monkeypatch.setattr(differences, "MAX_JSON_BYTES", 100)
    with pytest.raises(StorytellerError, match=r"schema\.json: larger than 100 bytes"):
        differences.check_file(path)


def test_a_rust_file_that_is_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rust_crates, "MAX_FILE_BYTES", 1000)
    result = EngineCopy(tmp_path / "engine").check()
    assert result.exit_code == 2, result.output
    assert "enums.rs:1: larger than 1000 bytes, which is as much as is read" in result.output


def test_a_folder_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rust_source, "MAX_SECONDS", -1.0)
    result = EngineCopy(tmp_path / "engine").check()
    assert result.exit_code == 2, result.output
    assert "give the folder of the engine's crates" in " ".join(result.output.split())
