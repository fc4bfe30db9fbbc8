"""What every run promises on disk: it can be cut off anywhere and resumed to the same bits, and tells how it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from run_kinds import SPOILT, Killed, RunKind, spoil, without
from safetensors import safe_open
from safetensors.torch import save_file
from storyteller_schema.common import files
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.runs import threads
from storyteller_trainer.runs.claim import claimed
from storyteller_trainer.runs.cpus import Look
from storyteller_trainer.runs.progress import EpochProgress
from storyteller_trainer.runs.run_files import BEST, HISTORY, LAST, SUMMARY
from storyteller_trainer.runs.tensor_file import read_tensors, save_tensors


def writes(patch: pytest.MonkeyPatch, before: Callable[[int], None] = lambda number: None) -> list[str]:
    """Calls `before` with the number of each write of a file, from 0; returns the names of the files written."""
    written: list[str] = []
    original = files.atomic_path

    @contextmanager
    def counted(target: Path) -> Iterator[Path]:
        before(len(written))
        written.append(Path(target).name)
        with original(target) as temporary:
            yield temporary

    patch.setattr(files, "atomic_path", counted)
    return written


def rows(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(folder) / HISTORY).read_text().splitlines()]


# --- what is written when ---------------------------------------------------------------------------------------------


def test_files_are_written_in_an_order_that_can_be_cut_anywhere(kind: RunKind, monkeypatch: pytest.MonkeyPatch) -> None:
    written = writes(monkeypatch)
    summary = kind.train("run", epochs=2)
    assert {path.name for path in Path("run").iterdir()} == kind.files
    epoch = [BEST, LAST, HISTORY, SUMMARY]
    assert [name for name in written if name in epoch] == [LAST, SUMMARY, *epoch, *epoch, SUMMARY]
    assert written.index(BEST) >= written.index(LAST) + len(kind.files) - 4, "what belongs to the model comes before it"
    assert (summary.finished, summary.epochs, [row["epoch"] for row in rows("run")]) == (True, 2, [1, 2])


def test_the_summary_is_there_from_the_first_epoch_on(kind: RunKind, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def look(self: EpochProgress, number: int, figures: str) -> None:
        seen.append(json.loads(Path("run/run.json").read_text()))
        assert [row["epoch"] for row in rows("run")] == list(range(1, number + 1))

    monkeypatch.setattr(EpochProgress, "epoch", look)
    summary = kind.train("run")
    assert [found["epochs"] for found in seen] == [1, 2, 3]
    assert [found["finished"] for found in seen[:2]] == [False, False]
    assert seen[0]["seconds"] < seen[1]["seconds"] < seen[2]["seconds"] == summary.seconds
    assert json.loads(Path("run/run.json").read_text())["finished"] is True


# --- cut off and resumed ----------------------------------------------------------------------------------------------


def test_cut_off_before_any_write_and_resumed(kind: RunKind) -> None:
    with pytest.MonkeyPatch.context() as patch:
        total = writes(patch)
        summary = kind.train("whole", epochs=2)
    for cut in range(len(total)):

        def kill(number: int, cut: int = cut) -> None:
            if number == cut:
                raise Killed

        folder = f"cut_{cut}"
        with pytest.MonkeyPatch.context() as patch:
            writes(patch, kill)
            with pytest.raises(Killed):
                kind.train(folder, epochs=2)
        assert kind.train(folder, resume=True, epochs=2).best_epoch == summary.best_epoch
        assert kind.results(folder) == kind.results("whole"), f"cut before {total[cut]}, write {cut}"
        assert {path.name for path in Path(folder).iterdir()} == kind.files


def test_cut_off_within_an_epoch(kind: RunKind) -> None:
    taken: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        kind.at_step(patch, taken.append)
        kind.train("whole")

    def kill(number: int) -> None:
        if number == len(taken) // 3 + 2:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        kind.at_step(patch, kill)
        with pytest.raises(Killed):
            kind.train("run")
    assert kind.last("run").train_state.epoch == 1
    kind.train("run", resume=True)
    assert kind.results("run") == kind.results("whole")


@pytest.mark.parametrize("left", ["nothing", "less", "more", "half a line"])
def test_the_history_is_what_last_knows(kind: RunKind, left: str) -> None:
    kind.train("run")
    path = Path("run") / HISTORY
    whole = path.read_bytes()
    match left:
        case "nothing":
            path.unlink()
        case "less":
            path.write_bytes(b"".join(whole.splitlines(keepends=True)[:1]))
        case "more":
            path.write_bytes(whole * 2)
        case _:
            path.write_bytes(whole + b'{"epoch": 2, "learn')
    kind.train("run", resume=True)
    assert path.read_bytes() == whole


def test_what_a_killed_run_left_half_written_is_removed(kind: RunKind) -> None:
    kind.train("run", epochs=1)
    Path("run/notes.txt").write_text("the user's own")
    for resume in (True, False):
        for name in kind.files:
            Path(f"run/.{name}.abc12345.part").write_text("half")
        kind.train("run", resume=resume, epochs=1)
        assert {path.name for path in Path("run").iterdir()} == {*kind.files, "notes.txt"}


def test_resuming_a_finished_run_only_reports(kind: RunKind) -> None:
    first = kind.train("run")
    before = kind.results("run")
    assert kind.train("run", resume=True) == first
    assert kind.results("run") == before


def test_resume_without_a_run_begins_one(kind: RunKind) -> None:
    lines: list[str] = []
    assert kind.train("run", resume=True, notify=lines.append, epochs=1).finished
    assert "run holds no run to go on with: beginning one" in lines
    lines.clear()
    kind.train("run", resume=True, notify=lines.append)
    assert "Going on with run after epoch 1" in lines


def test_a_resumed_run_keeps_its_settings(kind: RunKind) -> None:
    kind.train("run", epochs=1)
    before = kind.results("run")
    told = r"last.safetensors: a resumed run keeps its settings, but these differ: batch_size \d+ -> 7, seed 42 -> 7;"
    with pytest.raises(StorytellerError, match=told):
        kind.train("run", resume=True, epochs=1, batch_size=7, seed=7)
    assert kind.results("run") == before


def test_tensors_that_do_not_fit_are_refused(kind: RunKind) -> None:
    kind.train("run", epochs=1)
    tensors, metadata = read_tensors(Path("run") / LAST, kind.last_kind)
    needed = next(name for name in tensors if name.startswith(("training.optimizer.", "model.")))
    for spoilt in ({needed: torch.ones(3)}, {}):
        kept = {name: tensor for name, tensor in tensors.items() if name != needed}
        save_tensors(Path("run") / LAST, kept | spoilt, metadata)
        with pytest.raises(StorytellerError, match=r"last\.safetensors: its tensors do not fit the network"):
            kind.train("run", resume=True)


@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_weights_are_refused_by_load_and_by_resume(kind: RunKind, how: str) -> None:
    stopped_after_one_epoch(kind)
    best, last = Path("run") / BEST, Path("run") / LAST
    sound = last.read_bytes()
    told = spoil(last, kind.last_kind, how)
    spoilt = last.read_bytes()
    with pytest.raises(StorytellerError, match=told):
        kind.train("run", resume=True)
    assert (last.read_bytes(), len(rows("run"))) == (spoilt, 1), "what is there stays as it is"
    last.write_bytes(sound)
    kind.load(Path("run"))
    told = spoil(best, type(kind.load(Path("run")).metadata), how)
    with pytest.raises(StorytellerError, match=told):
        kind.load(Path("run"))


def test_a_run_of_a_version_without_checksums_is_loaded_and_goes_on(kind: RunKind) -> None:
    kind.train("whole")
    stopped_after_one_epoch(kind)
    for name in (BEST, LAST):
        path = Path("run") / name
        with safe_open(path, framework="pt") as file:
            (header,) = file.metadata().values()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        content = json.loads(header)
        del content["file_sha256"]
        save_file(tensors, path, {"storyteller": json.dumps(content)})
    assert kind.load(Path("run")).metadata.epoch == 1
    kind.train("run", resume=True)
    assert kind.results("run") == kind.results("whole")


# --- a folder that is in use ------------------------------------------------------------------------------------------


def test_the_old_best_stays_until_the_new_run_has_one(kind: RunKind) -> None:
    kind.train("run", epochs=2)
    before = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    lines: list[str] = []

    def kill(number: int) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        kind.at_step(patch, kill)
        with pytest.raises(Killed):
            kind.train("run", seed=1, notify=lines.append)
    assert "run holds an earlier run: its best stays until the first epoch of this one is done" in lines
    after = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    assert [name for name in before if after[name] != before[name]] == [LAST]
    assert kind.last("run").train_state.epoch == 0
    kind.train("run", resume=True, seed=1)
    kind.train("whole", seed=1)
    assert kind.results("run") == kind.results("whole")


def test_a_folder_in_which_another_run_is_at_work(kind: RunKind) -> None:
    kind.train("run")
    before = kind.results("run")
    for options in ({"resume": True}, {"resume": True, "batch_size": 7}, {}):  # nor is it looked at what it holds
        with (
            claimed(Path("run")),
            pytest.raises(StorytellerError, match=r"^run: another run is at work in this folder"),
        ):
            kind.train("run", **options)
    assert kind.results("run") == before
    with claimed(Path("new")), pytest.raises(StorytellerError, match="another run is at work"):
        kind.train("new")
    assert not Path("new").exists()
    kind.train("run", resume=True)


def test_a_folder_that_cannot_be_written_to(kind: RunKind) -> None:
    Path("run").write_text("a file")
    with pytest.raises(StorytellerError, match="cannot write here"):
        kind.train("run")


# --- the number of threads --------------------------------------------------------------------------------------------


def threads_of(kind: RunKind, **options: Any) -> tuple[set[int], str]:
    """Trains; returns the numbers by which steps were computed, and the line about it."""
    lines: list[str] = []
    used: set[int] = set()
    with pytest.MonkeyPatch.context() as patch:
        kind.at_step(patch, lambda number: used.add(torch.get_num_threads()))
        summary = kind.train("run", notify=lines.append, **options)
    (line,) = [line for line in lines if line.startswith("Computing by")]
    assert {summary.threads, kind.last("run").threads} == (used or {summary.threads})
    assert json.loads(Path("run/run.json").read_text())["threads"] == summary.threads
    return used, line


def test_a_run_computes_by_as_many_threads_as_it_says(kind: RunKind, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    told = "Computing by 3 threads, as --threads or OMP_NUM_THREADS says"
    assert threads_of(kind, threads=3, epochs=1) == ({3}, told)
    assert torch.get_num_threads() == before
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(threads, "look_at_cpus", lambda: Look(0.9, 2))
        assert threads_of(kind, epochs=1)[0] == {1}
        monkeypatch.setattr(threads, "look_at_cpus", lambda: Look(1.9, 2))
        told = "Computing by 2 threads: 1.9 of 2 CPUs are free (--threads N fixes the number)"
        assert threads_of(kind, epochs=1) == ({2}, told)
    finally:
        torch.set_num_threads(before)


def stopped_after_one_epoch(kind: RunKind, **options: Any) -> None:
    """Leaves a run of three epochs of which one is done."""

    def kill(self: EpochProgress, number: int, figures: str) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochProgress, "epoch", kill)
        with pytest.raises(Killed):
            kind.train("run", **options)


def test_a_resumed_run_keeps_its_number_of_threads(kind: RunKind) -> None:
    stopped_after_one_epoch(kind, threads=3)
    used, line = threads_of(kind, resume=True)
    assert used == {3}
    assert line.startswith("Computing by 3 threads, as the run had so far, for the same result to the bit; a new run")
    stopped_after_one_epoch(kind, threads=3)
    used, line = threads_of(kind, resume=True, threads=2)
    assert used == {2}
    assert line.endswith("so far the run had 3: the result will not be the same")


def test_a_run_of_an_earlier_version_is_resumed_by_as_many_threads_as_pytorch_takes(kind: RunKind) -> None:
    stopped_after_one_epoch(kind, threads=3)
    tensors, metadata = read_tensors(Path("run") / LAST, kind.last_kind)
    save_tensors(Path("run") / LAST, tensors, without(metadata, "threads"))
    assert threads_of(kind, resume=True)[0] == {torch.get_num_threads()}
