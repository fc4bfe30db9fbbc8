from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_trainer.runs.run_place import (
    RUNS,
    check_run_name,
    is_in_runs,
    latest_event_runs,
    link_latest,
    link_latest_events,
    new_run,
)

NOW = datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)


def nobody(line: str) -> None:
    raise AssertionError(line)


def made_run(name: str) -> Path:
    """The folder of a run that has begun."""
    with new_run(name, NOW) as folder:
        (folder / "run.json").write_text(name)
    return folder


def test_a_new_run_has_a_folder_of_its_own_even_in_the_same_second() -> None:
    with new_run("trial", NOW) as first, new_run("trial", NOW) as second:
        assert first == RUNS / "20260131-235958-trial"
        assert second == RUNS / "20260131-235958-trial-2"
        assert first.is_dir()
        (second / "run.json").write_text("begun")
    assert list(RUNS.iterdir()) == [second], "what stayed empty is gone"


def test_twenty_that_begin_at_once_have_a_folder_each() -> None:
    together = Barrier(20)

    def begin(_: int) -> Path:
        together.wait()
        with new_run("trial", NOW) as folder:
            (folder / "run.json").touch(exist_ok=False)
        return folder

    with ThreadPoolExecutor(20) as pool:
        folders = list(pool.map(begin, range(20)))
    assert len(set(folders)) == 20
    assert sorted(folders) == sorted(RUNS.iterdir())


def test_a_link_in_the_way_is_a_name_that_is_taken() -> None:
    RUNS.mkdir(parents=True)
    (RUNS / "20260131-235958-trial").symlink_to("nowhere")
    assert made_run("trial") == RUNS / "20260131-235958-trial-2"


def test_a_place_where_no_folder_can_be_made_is_said() -> None:
    RUNS.parent.mkdir()
    RUNS.write_text("a file")
    with (
        pytest.raises(StorytellerError, match=rf"^{RUNS}/20260131-235958-trial: cannot write here: "),
        new_run("trial", NOW),
    ):
        pass


def test_the_link_leads_to_the_latest_and_can_be_moved_with_its_folder(tmp_path: Path) -> None:
    link = Path("artifacts/character")
    for name in ("one", "two"):
        run = made_run(name)
        link_latest(link, run, nobody)
        assert (link / "run.json").read_text() == name
    Path("artifacts").rename("elsewhere")
    assert Path("elsewhere/character/run.json").read_text() == "two"


def test_runs_that_link_at_the_same_time_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    link, runs = Path("artifacts/character"), [made_run(name) for name in ("one", "two")]
    symlink_to = Path.symlink_to

    def other_first(path: Path, target: Path) -> None:
        monkeypatch.setattr(Path, "symlink_to", symlink_to)
        link_latest(link, runs[1], nobody)
        path.symlink_to(target)

    monkeypatch.setattr(Path, "symlink_to", other_first)
    link_latest(link, runs[0], nobody)
    assert link.resolve() == runs[0].resolve()
    assert sorted(path.name for path in link.parent.iterdir()) == ["character", "runs"]


def test_an_earlier_run_in_the_link_s_place_is_kept() -> None:
    link = Path("artifacts/character")
    link.mkdir(parents=True)
    (link / "run.json").write_text("earlier")
    run = made_run("new")
    said: list[str] = []
    link_latest(link, run, said.append)
    kept = next(RUNS.glob("*-character-earlier"))
    assert (kept / "run.json").read_text() == "earlier"
    assert str(kept) in said[0]
    assert link.resolve() == run.resolve()


def make_run(folder: Path, told: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(told)
    return folder


def test_each_task_of_the_event_models_has_a_link_that_can_be_moved_with_its_folder() -> None:
    assert latest_event_runs("event") is None
    first, second = made_run("one"), made_run("two")
    for folder, task in ((first, "event"), (first, "ner"), (second, "ner")):
        link_latest_events(task, make_run(folder / task, f"{folder.name}/{task}"), nobody)
    assert latest_event_runs("event") == first
    assert latest_event_runs("ner") == second
    Path("artifacts").rename("elsewhere")
    assert Path("elsewhere/events/event/run.json").read_text() == f"{first.name}/event"
    assert Path("elsewhere/events/ner/run.json").read_text() == f"{second.name}/ner"


def test_earlier_event_runs_stay_a_pair_and_are_read_until_their_task_has_a_new_one() -> None:
    for task in ("event", "ner"):
        make_run(Path("artifacts/events") / task, f"earlier {task}")
    assert latest_event_runs("event") == Path("artifacts/events")
    run = make_run(made_run("new") / "event", "new event")
    said: list[str] = []
    link_latest_events("event", run, said.append)
    kept = next(RUNS.glob("*-events-earlier"))
    assert [(kept / task / "run.json").read_text() for task in ("event", "ner")] == ["earlier event", "earlier ner"]
    assert [(Path("artifacts/events") / task / "run.json").read_text() for task in ("event", "ner")] == [
        "new event",
        "earlier ner",
    ]
    assert [str(kept / task) in line for task, line in zip(("event", "ner"), said, strict=True)] == [True, True]


def test_only_what_lies_in_the_folder_of_runs_becomes_the_latest() -> None:
    assert is_in_runs(RUNS / "mine")
    assert not is_in_runs(Path("mine"))
    assert not is_in_runs(RUNS / "mine" / "event")


@pytest.mark.parametrize("name", ["", "a/b", "..", "-a", "a b", "x" * 81])
def test_what_cannot_be_a_folder_s_name_is_refused(name: str) -> None:
    with pytest.raises(WrongValue, match="cannot name a run"):
        check_run_name(name)
    assert check_run_name("wide-2.1_a") == "wide-2.1_a"
