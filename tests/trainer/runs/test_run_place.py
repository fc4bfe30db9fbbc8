from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from storyteller_schema.common.errors import WrongValue
from storyteller_trainer.runs.run_place import RUNS, check_run_name, link_latest, new_run

NOW = datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)


def nobody(line: str) -> None:
    raise AssertionError(line)


def test_a_new_run_has_a_folder_of_its_own_even_in_the_same_second() -> None:
    first = new_run("trial", NOW)
    assert first == RUNS / "20260131-235958-trial"
    first.mkdir(parents=True)
    assert new_run("trial", NOW) == RUNS / "20260131-235958-trial-2"


def test_the_link_leads_to_the_latest_and_can_be_moved_with_its_folder(tmp_path: Path) -> None:
    link = Path("artifacts/character")
    for name in ("one", "two"):
        run = new_run(name, NOW)
        run.mkdir(parents=True)
        (run / "run.json").write_text(name)
        link_latest(link, run, nobody)
        assert (link / "run.json").read_text() == name
    Path("artifacts").rename("elsewhere")
    assert Path("elsewhere/character/run.json").read_text() == "two"


def test_an_earlier_run_in_the_link_s_place_is_kept() -> None:
    link = Path("artifacts/character")
    link.mkdir(parents=True)
    (link / "run.json").write_text("earlier")
    run = new_run("new", NOW)
    run.mkdir(parents=True)
    said: list[str] = []
    link_latest(link, run, said.append)
    kept = next(RUNS.glob("*-character-earlier"))
    assert (kept / "run.json").read_text() == "earlier"
    assert str(kept) in said[0]
    assert link.resolve() == run.resolve()


@pytest.mark.parametrize("name", ["", "a/b", "..", "-a", "a b", "x" * 81])
def test_what_cannot_be_a_folder_s_name_is_refused(name: str) -> None:
    with pytest.raises(WrongValue, match="cannot name a run"):
        check_run_name(name)
    assert check_run_name("wide-2.1_a") == "wide-2.1_a"
