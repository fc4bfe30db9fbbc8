from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from storyteller_exporter.commands.write_report import main
from storyteller_exporter.report import event_predictions, extra
from storyteller_trainer.runs.run_place import link_latest_events


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
    ("arguments", "message"),
    [
        (["nowhere"], "no such checkpoint"),
        (["{run}", "--data", "nowhere"], "nowhere"),
        (["{run}", "--models", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], message: str, trained: Path) -> None:
    result = write(*[word.format(run=trained) for word in arguments])
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_page_of_event_runs_lies_where_they_lie_and_not_beside_the_links(
    event_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_predictions, "MOST", 12)
    runs = shutil.copytree(event_runs, tmp_path / "artifacts/runs/20260131-235958-events")
    for task in ("event", "ner"):
        link_latest_events(task, runs / task, print)
    result = write("artifacts/events")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "artifacts/runs/20260131-235958-events/report.html"
    assert (runs / "report.html").is_file()
    # Of runs that were trained apart it lies beside the links.
    other = shutil.copytree(event_runs, tmp_path / "artifacts/runs/20260201-235958-events")
    link_latest_events("ner", other / "ner", print)
    assert write("artifacts/events").stdout.strip() == "artifacts/events/report.html"
