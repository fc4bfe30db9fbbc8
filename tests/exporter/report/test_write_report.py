from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from storyteller_exporter.commands.write_report import main
from storyteller_exporter.report import extra


def write(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_page_lies_in_the_run_and_its_place_is_printed(own_run: Path, models: Path) -> None:
    result = write(own_run, "--models", models)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(own_run / "report.html")
    assert (own_run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_output_says_where_else(trained: Path, models: Path, tmp_path: Path) -> None:
    before = sorted(trained.iterdir())
    assert write(trained, "--models", models, "-o", tmp_path / "seen.html").exit_code == 0
    assert (tmp_path / "seen.html").is_file()
    assert sorted(trained.iterdir()) == before


def test_a_missing_library_is_told_with_what_installs_it(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "LIBRARIES", ("matplotlib", "no_such_library"))
    result = write(trained)
    assert result.exit_code == 1
    assert "no_such_library" in result.stderr
    assert "storyteller-exporter[report]" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"), [(["nowhere"], "no such checkpoint"), (["{run}", "--data", "nowhere"], "nowhere")]
)
def test_wrong_use_is_told(arguments: list[str], message: str, trained: Path) -> None:
    result = write(*[word.format(run=trained) for word in arguments])
    assert result.exit_code == 2
    assert message in result.stderr
