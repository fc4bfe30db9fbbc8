"""Files take the place of old ones together, when they are good, and otherwise leave no trace but what is kept."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from failing_disk import refuse_links, refuse_new_files, refuse_renames
from storyteller_exporter.checks.verification_report import PYTORCH, Change, Difference, Status, Verification
from storyteller_exporter.export.delivery import FAILED, MANIFEST, alone, deliver, replace_all, staging
from storyteller_schema.common.errors import StorytellerError

NAMES = ["a.onnx", "b.onnx", "c.json"]


def report(status: Status = Status.OK) -> Verification:
    found = Verification("models/a.onnx")
    found.add("valid", Status.OK, "as it should be")
    found.add("quality", status, "what was found")
    found.differences = [Difference("one", PYTORCH, "action", 1e-5, 0.0, 0.0, True, "")]
    return found


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def folder() -> Path:
    """Holds the old files, one of which is none of ours."""
    made = Path("models")
    made.mkdir()
    for name in (*NAMES, "notes.txt"):
        (made / name).write_text(f"old {name}")
    return made


def fill(stage: Path) -> None:
    for name in NAMES:
        (stage / name).write_text(f"new {name}")


def replace(folder: Path) -> None:
    with staging(folder) as stage:
        fill(stage)
        replace_all(stage, folder)


def send(folder: Path, *reports: Verification, allow_unjudged: bool = False) -> None:
    with staging(folder) as stage:
        fill(stage)
        deliver(stage, folder, reports, allow_unjudged=allow_unjudged)


NEW = {name: f"new {name}" for name in NAMES} | {"notes.txt": "old notes.txt"}
OLD = {name: f"old {name}" for name in (*NAMES, "notes.txt")}


# --- the stage ---------------------------------------------------------------------------------------------------


def test_a_stage_lies_in_the_folder_hidden_and_goes_again(folder: Path) -> None:
    with staging(folder) as stage:
        fill(stage)
        assert stage.parent == folder
        assert stage.name.startswith(".")
        assert contents(folder) == OLD
    assert contents(folder) == OLD
    assert not stage.exists()


def test_folders_that_were_made_for_nothing_go_again() -> None:
    with pytest.raises(KeyboardInterrupt), staging(Path("new/models")):
        raise KeyboardInterrupt
    assert not Path("new").exists()
    replace(Path("new/models"))
    assert sorted(contents(Path("new/models"))) == NAMES


def test_a_folder_that_cannot_be_written_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_new_files(monkeypatch)
    with pytest.raises(StorytellerError, match="models: cannot write here: Permission denied"), staging(folder):
        pytest.fail("there is no stage")
    assert contents(folder) == OLD


def test_the_stage_of_a_killed_export_is_cleared_away_and_that_of_a_living_one_stays(folder: Path) -> None:
    abandoned = folder / ".export.12345678.part"
    abandoned.mkdir()
    (abandoned / "a.onnx").write_text("half")
    with staging(folder) as living, staging(folder) as another:
        assert not abandoned.exists()
        assert living.exists()
        assert another != living


# --- replacing ---------------------------------------------------------------------------------------------------


def test_all_files_are_replaced_and_no_other(folder: Path) -> None:
    replace(folder)
    assert contents(folder) == NEW


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("first_is_new", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_all_or_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, first_is_new: bool, links: bool
) -> None:
    if first_is_new:
        (folder / "a.onnx").unlink()
    before = contents(folder)
    refuse_renames(monkeypatch, lambda old, new: new == folder / "b.onnx" and old.read_text().startswith("new"), error)
    if not links:
        refuse_links(monkeypatch)
    expected = StorytellerError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        replace(folder)
    assert contents(folder) == before
    if isinstance(error, OSError):
        assert str(caught.value) == "models/b.onnx: cannot be replaced: Input/output error; nothing was"


def test_files_of_two_commands_are_never_mixed(folder: Path) -> None:
    """The second waits, by a real lock, until the first is done; a lock file that a kill has left stops nobody."""
    (folder / ".export.lock").touch()

    def second() -> None:
        with staging(folder) as stage:
            (stage / "b.onnx").write_text("of the second")
            (stage / "a.onnx").write_text("of the second")
            with alone(folder):
                replace_all(stage, folder)

    other = threading.Thread(target=second)
    with alone(folder):
        other.start()
        other.join(0.2)
        assert contents(folder).items() >= {"a.onnx": "old a.onnx", "b.onnx": "old b.onnx"}.items()
        (folder / "a.onnx").write_text("of the first")
        other.join(0.2)
        (folder / "b.onnx").write_text("of the first")
    other.join(60)
    assert contents(folder) == OLD | {"a.onnx": "of the second", "b.onnx": "of the second"}


def test_a_folder_in_the_place_of_a_file(folder: Path) -> None:
    (folder / "c.json").unlink()
    (folder / "c.json").mkdir()
    with pytest.raises(StorytellerError, match=r"models/c\.json: is a folder"):
        replace(folder)
    assert contents(folder) == {name: text for name, text in OLD.items() if name != "c.json"}


@pytest.mark.parametrize("where", ["models", "elsewhere"])
def test_the_files_behind_links_are_replaced(folder: Path, where: str) -> None:
    Path("elsewhere").mkdir()
    for name in ("a.onnx", "b.onnx"):
        (folder / name).rename(Path(where) / f"real-{name}")
        (folder / name).symlink_to(Path.cwd() / where / f"real-{name}")
    replace(folder)
    for name in ("a.onnx", "b.onnx"):
        assert (folder / name).is_symlink()
        assert (Path(where) / f"real-{name}").read_text() == f"new {name}"
    assert sorted(path.name for path in Path("elsewhere").iterdir()) == (
        [] if where == "models" else ["real-a.onnx", "real-b.onnx"]
    )


def test_what_lies_behind_a_link_comes_back_when_another_fails(folder: Path) -> None:
    (folder / "a.onnx").rename("real.onnx")
    (folder / "a.onnx").symlink_to("../real.onnx")
    (folder / "c.json").unlink()
    os.mkfifo(folder / "c.json")
    with pytest.raises(StorytellerError, match=r"models/c\.json: is a device or a pipe"):
        replace(folder)
    assert Path("real.onnx").read_text() == "old a.onnx"
    assert (folder / "c.json").is_fifo()


# --- delivering --------------------------------------------------------------------------------------------------


def test_good_files_come_with_their_report_and_clear_an_earlier_failure(folder: Path) -> None:
    (folder / "verification.json").write_text("of the old file")
    (folder / FAILED).mkdir()
    send(folder, report())
    found = contents(folder)
    assert '"verdict": "passed"' in found.pop("verification.json")
    assert found == NEW
    assert not (folder / FAILED).exists()


def test_no_manifest_of_a_promotion_stays_beside_an_export(folder: Path) -> None:
    (folder / MANIFEST).write_text("of the files before")
    send(folder, report(Status.UNJUDGED), allow_unjudged=True)
    assert not (folder / MANIFEST).exists()


def test_bad_files_are_kept_aside_with_every_reason(folder: Path) -> None:
    bad = report(Status.FAILED)
    bad.changes = [Change("loss", 1.4, 1.5, 0.01, False), Change("x accuracy", 0.5, 0.5, 0.01, True)]
    with pytest.raises(StorytellerError) as caught:
        send(folder, bad, allow_unjudged=True)
    assert str(caught.value).splitlines() == [
        "models: nothing was replaced: the export failed its checks; it lies in models/failed-export:",
        "  a.onnx: quality: failed: what was found",
        "  a.onnx: loss: failed: 1.4000 became 1.5000; allowed is 0.01",
    ]
    assert contents(folder) == OLD
    assert sorted(contents(folder / FAILED)) == [*NAMES, "verification.json"]


def test_what_was_not_judged_is_taken_only_when_that_was_asked_for(folder: Path) -> None:
    with pytest.raises(StorytellerError, match=r"could not be judged \(--allow-unjudged"):
        send(folder, report(), report(Status.UNJUDGED))
    assert contents(folder) == OLD
    send(folder, report(), report(Status.UNJUDGED), allow_unjudged=True)
    found = contents(folder)
    assert '"verdict": "not judged"' in found.pop("verification.json")
    assert found == NEW
