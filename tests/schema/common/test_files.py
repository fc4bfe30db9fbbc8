"""Files that are written whole or not at all, through links, to pipes, on a full disk and after a kill."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from failing_disk import at_every_write, full_disk, refuse_new_files
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import atomic_folder, atomic_path, place_of, sweep_all, write_atomic


def names(folder: Path = Path()) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_as_readable_as_any_other() -> None:
    write_atomic("a.json", "content")
    Path("b.json").touch()
    assert Path("a.json").stat().st_mode == Path("b.json").stat().st_mode
    assert names() == ["a.json", "b.json"]


@pytest.mark.parametrize("length", [200, 201, 255])
def test_a_long_name(length: int) -> None:
    name = "é" * (length // 2 - 3) + "x" * (length % 2) + ".jsonl"
    assert len(os.fsencode(name)) == length // 2 * 2 + length % 2
    write_atomic(name, "content")
    assert names() == [name]


# --- links


@pytest.mark.parametrize("target", ["real.json", "../real.json", "deep/real.json", "second"])
def test_the_file_behind_a_link_is_replaced(tmp_path: Path, target: str) -> None:
    here = tmp_path / "here"
    (here / "deep").mkdir(parents=True)
    (here / "second").symlink_to("deep/real.json")
    (here / "link.json").symlink_to(target)
    (here / target).write_text("old")
    before = (here / target).stat().st_ino
    write_atomic(here / "link.json", "new")
    assert (here / "link.json").is_symlink()
    assert (here / "second").is_symlink()
    assert (here / target).read_text() == "new"
    assert (here / target).stat().st_ino != before, "renamed, and not written over"


def test_a_link_to_nothing_makes_the_file() -> None:
    Path("link.json").symlink_to("folder/new.json")
    write_atomic("link.json", "new")
    assert Path("folder/new.json").read_text() == "new"


def test_the_file_behind_a_link_stays_when_the_disk_is_full() -> None:
    Path("real.json").write_text("old")
    Path("link.json").symlink_to("real.json")
    with full_disk(0), pytest.raises(StorytellerError, match=r"^link\.json: cannot write here: No space left"):
        write_atomic("link.json", "new")
    assert (Path("real.json").read_text(), names()) == ("old", ["link.json", "real.json"])


def test_links_in_a_circle_are_refused() -> None:
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    for place in ("a", "a/below"):
        with pytest.raises(StorytellerError, match=rf"^{place}: cannot write here: Too many levels"):
            write_atomic(place, "content")
    assert Path("a").is_symlink()


# --- devices, pipes, sockets


def test_a_device_is_written_to_and_stays() -> None:
    # One of our own: a test that fails must not cost the machine its /dev/null.
    try:
        os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        Path("null").write_text("")
    except OSError:
        pytest.skip("only root can make a device, and not everywhere")
    Path("nowhere").symlink_to("null")
    for place in ("null", "nowhere"):
        write_atomic(place, "content")
        assert stat.S_ISCHR(Path("null").stat().st_mode)
    assert Path("nowhere").is_symlink()


def test_a_full_device() -> None:
    with pytest.raises(StorytellerError, match=r"^/dev/full: cannot write here: No space left"):
        write_atomic("/dev/full", "content")


def test_a_pipe_is_written_to_and_stays() -> None:
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()))
    reader.start()
    while True:  # until the reader has opened it
        with suppress(StorytellerError):
            write_atomic("pipe", "content" * 100_000)
            break
    reader.join()
    assert read == ["content" * 100_000]
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)


def test_a_pipe_that_nobody_reads_from_is_refused() -> None:
    os.mkfifo("pipe")
    with pytest.raises(StorytellerError, match=r"^pipe: nobody reads from this pipe"):
        write_atomic("pipe", "content")
    assert names() == ["pipe"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
def test_the_open_stdout_of_a_process_is_written_to(name: str) -> None:
    script = f"""
from storyteller_schema.common.files import write_atomic
print("before", flush=True)
write_atomic({name!r}, "written\\n")
print("after")
"""
    with Path("out").open("w") as out:
        subprocess.run([sys.executable, "-c", script], stdout=out, check=True)
    assert Path("out").read_text() == "before\nwritten\nafter\n"
    assert names() == ["out"]


def test_sockets_and_folders_are_refused() -> None:
    Path("folder").mkdir()
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind("socket")
        for place, kind in (("socket", "a socket"), ("folder", "a folder")):
            with pytest.raises(StorytellerError, match=f"^{place}: is {kind}"):
                write_atomic(place, "content")
        assert names() == ["folder", "socket"]
        assert stat.S_ISSOCK(Path("socket").stat().st_mode)


@pytest.mark.parametrize("place", ["/dev/full", "/dev/stdout", "pipe"])
def test_what_can_only_be_renamed_onto_a_file_refuses_the_rest(place: str) -> None:
    os.mkfifo("pipe")
    with pytest.raises(StorytellerError, match=f"^{place}: is a device or a pipe"):
        place_of(place)


# --- a full disk, and limits


def test_a_full_disk_names_the_file_and_leaves_the_old_one() -> None:
    Path("a.json").write_text("old")

    def work() -> None:
        with atomic_path("a.json") as temporary, temporary.open("wb", buffering=0) as file:
            file.write(b"one")
            file.write(b"two")

    def check(number: int, error: Exception) -> None:
        assert str(error) == (
            "a.json: cannot write here: No space left on device; make room there, or choose another place"
        )
        assert (Path("a.json").read_text(), names()) == ("old", ["a.json"])

    assert at_every_write(work, check) == 2
    assert Path("a.json").read_text() == "onetwo"


def test_of_two_files_the_one_that_failed_is_named() -> None:
    def write_both() -> None:
        with atomic_path("a.json") as first, atomic_path("b.json") as second:
            first.write_text("fits")
            second.write_text("does not")

    with full_disk(1), pytest.raises(StorytellerError, match=r"^b\.json: cannot write here"):
        write_both()
    assert names() == []


def test_a_file_that_was_only_read_keeps_its_name() -> None:
    with pytest.raises(FileNotFoundError, match="other/x"), atomic_path("a.json"):
        Path("other/x").read_text()


def test_a_folder_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_new_files(monkeypatch)
    with pytest.raises(StorytellerError, match=r"^a\.json: cannot write here: Permission denied; choose another place"):
        write_atomic("a.json", "content")


def test_a_limit_on_the_size_of_files() -> None:
    script = """
import resource
from storyteller_schema.common.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomic("a.json", "x" * 2000)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "a.json: cannot write here: File too large; raise the limit on the size of a file" in done.stderr
    assert names() == []


# --- folders


def test_a_folder_takes_the_place_of_an_older_one() -> None:
    for content in ("old", "new"):
        with atomic_folder("entry") as temporary:
            (temporary / content).write_text(content)
    assert names() == ["entry"]
    assert names(Path("entry")) == ["new"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_comes_whole_or_not_at_all(error: BaseException) -> None:
    Path("entry").mkdir()
    expected = StorytellerError if isinstance(error, OSError) else KeyboardInterrupt

    def write_half() -> None:
        with atomic_folder("entry") as temporary:
            (temporary / "half").write_text("half")
            raise error

    with pytest.raises(expected):
        write_half()
    assert (names(), names(Path("entry"))) == (["entry"], [])


# --- after a kill

WRITING = """
import sys, time
from pathlib import Path
from storyteller_schema.common.files import atomic_folder, atomic_path
with atomic_folder("entry") as folder, atomic_path("a.json") as file:
    file.write_text("half")
    (folder / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""
Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def writing() -> Iterator[Start]:
    """Starts processes that write the file `a.json` and the folder `entry`, and come to no end."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", WRITING], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_next_writer_sweeps_what_a_kill_left(writing: Start) -> None:
    killed = writing()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(names()) == 2
    write_atomic("a.json", "whole")
    with atomic_folder("entry"):
        pass
    assert names() == ["a.json", "entry"]


def test_what_a_living_process_writes_is_not_swept(writing: Start) -> None:
    writing()
    half = names()
    assert len(half) == 2
    write_atomic("a.json", "whole")
    sweep_all(Path())
    assert names() == [*half, "a.json"]


def test_everything_that_kills_left_in_a_folder_is_swept(writing: Start) -> None:
    killed = writing()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    mine = [".a.json.bak", ".entry.12345678", "a.part", "note.txt"]
    for name in mine:
        Path(name).write_text("the user's own")
    sweep_all(Path())
    assert names() == sorted(mine)


def test_files_of_the_user_that_look_alike_stay() -> None:
    mine = [".a.json.old", ".a.json.backup12", ".ab.json.12345678.part"]
    for name in mine:
        Path(name).write_text("the user's own")
    write_atomic("a.json", "content")
    assert names() == sorted([*mine, "a.json"])


def test_of_a_file_in_a_folder_that_is_half_written_the_folder_is_told(tmp_path: Path) -> None:
    with full_disk(0), pytest.raises(StorytellerError) as told, atomic_folder(tmp_path / "whole") as temporary:
        write_atomic(temporary / "inner.txt", "x")
    assert str(told.value).startswith(f"{tmp_path / 'whole'}: cannot write here: No space left on device; make room")
