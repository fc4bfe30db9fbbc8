"""Lines of files that are no training files: how much of them is read, and what is said."""

from __future__ import annotations

import errno
import gzip
import io
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.reading import jsonl
from storyteller_trainer.reading.jsonl import MAX_LINE, cut_at_lines, numbered_lines


def test_a_line_of_the_limit_is_read_and_a_longer_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n" + b"x" * (MAX_LINE - 1) + b"\n2")
    assert [number for number, _ in numbered_lines(path)] == [1, 2, 3]
    path.write_bytes(b"1\n" + b"x" * MAX_LINE + b"\n2")
    with pytest.raises(
        StorytellerError, match=r"a\.jsonl: line 2: longer than 16 MiB; one JSON object a line is expected"
    ):
        list(numbered_lines(path))


@given(
    st.lists(st.sampled_from([b"a", b"\r", b"\n", b" ", b"\xef\xbb\xbf"]), min_size=1).map(b"".join), st.integers(1, 9)
)
def test_the_spans_of_a_file_hold_its_lines_each_once(content: bytes, pieces: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(content)
        spans = cut_at_lines(path, pieces)
        assert 1 <= len(spans) <= pieces
        found = [line for span in spans for _, line in numbered_lines(path, span)]
        assert found == [line for _, line in numbered_lines(path)]


@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, 2 * MAX_LINE])
def test_no_cut_is_made_inside_of_a_line(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n" + b"x" * length + b"\n2\n3\n")
    lines = {0, 2, length + 3, length + 5, length + 7}
    for pieces in (2, 3, 50):
        for start, stop in cut_at_lines(path, pieces):
            assert start in lines
            assert stop in lines


@pytest.mark.parametrize("character", [b"\0", b" ", b"["])
@pytest.mark.parametrize("command", ["train-character-model", "train-event-classifier"])
def test_a_packed_line_without_end_takes_little_memory(tmp_path: Path, command: str, character: bytes) -> None:
    """A quarter of a GiB in 260 KB; the memory of the process is limited to less than that."""
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(256):
            file.write(character * (1 << 20))
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20)); "
    module = "character.data.survey" if command == "train-character-model" else "events.data.survey"
    call = f"survey([{str(path)!r}])" if "character" in command else f"survey({str(path)!r})"
    script += f"from storyteller_trainer.{module} import survey; {call}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "a.jsonl.gz: line 1: longer than 16 MiB" in done.stderr.splitlines()[-1]


def test_the_limit_of_that_test_would_stop_a_reader_of_all() -> None:
    script = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20)); bytes(256 << 20)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
    assert resource.RLIMIT_DATA


def test_a_disk_that_cannot_be_read_names_the_file_and_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(errno.EIO, "Input/output error")
            return super().readline(size)

    def opened(raw: io.FileIO, size: int) -> Broken:
        raw.close()
        return Broken(b"1\n2\n")

    monkeypatch.setattr(jsonl, "BufferedReader", opened)
    path = tmp_path / "a.jsonl"
    path.touch()
    with pytest.raises(StorytellerError, match=r"a\.jsonl: cannot be read after line 1: Input/output error"):
        list(numbered_lines(path))
