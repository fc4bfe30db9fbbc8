"""Ctrl-C in a real process of `train-character-model`, outside of an epoch; in one, it is tested in test_kill.py."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from interrupting import MESSAGE, interrupt

PARSING = "storyteller_trainer.character.data.dataset:read_chunks"
#: Makes two small files large enough for processes of their own.
SMALL_IS_LARGE = {"SET": "storyteller_trainer.character.data.parallel_parsing:LARGE=1"}


def hidden_files() -> list[Path]:
    return [path for path in Path("artifacts").rglob(".*") if path.exists()]


@pytest.mark.parametrize("only", [(), ("--validate-only",)])
def test_ctrl_c_while_data_is_parsed(small_jsonl: Path, only: tuple[str, ...]) -> None:
    place = "storyteller_trainer.character.data.line_parser:parse_line" if not only else PARSING
    ended = interrupt("train-character-model", small_jsonl, *only, at=place)
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", MESSAGE)
    assert not hidden_files()


@pytest.mark.parametrize("place", ["Trainer.__init__", "Trainer.validate"])
def test_ctrl_c_before_the_first_epoch(small_jsonl: Path, place: str) -> None:
    ended = interrupt(
        "train-character-model",
        small_jsonl,
        "--device",
        "cpu",
        at=f"storyteller_trainer.character.training.train:{place}",
    )
    assert ended.code == 130
    *before, last = ended.stderr.splitlines()
    assert last == MESSAGE.strip()
    told = [line.split()[0] for line in before]
    told = [word for word in told if word != "Warning:"]
    # Between the last two stands what was found of the labels, which follow no rule here.
    assert (told[:3], told[-1]) == (["Data:", "Training", "labels"], "Computing"), "what is told before an epoch"
    assert not hidden_files()
    assert not Path("artifacts/character").exists()


@pytest.mark.parametrize("group", [True, False])
def test_ctrl_c_while_other_processes_parse(small_jsonl: Path, group: bool) -> None:
    Path("data").mkdir()
    for number in range(3):
        lines = small_jsonl.read_text().splitlines(keepends=True)
        Path(f"data/{number}.jsonl").write_text("".join(lines[number:]))
    ended = interrupt("train-character-model", "data", at=PARSING, group=group, variables=SMALL_IS_LARGE)
    assert ended.code == 130
    assert ended.stderr.splitlines()[1:] == MESSAGE.splitlines(), "the first line says that it takes a while"
    assert not hidden_files()
    listed = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert not [line for line in listed.splitlines() if str(Path("artifacts/cache")) in line and "parallel" in line]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "group"),
    [
        ("storyteller_trainer.runs.distributed", True),
        ("storyteller_trainer.character.training.run", True),
        ("storyteller_trainer.character.training.run", False),
        ("storyteller_trainer.character.training.train:Trainer.validate", True),
    ],
)
def test_ctrl_c_with_two_processes(small_jsonl: Path, place: str, group: bool) -> None:
    shutil.copy(small_jsonl, "data.jsonl")
    arguments = ("data.jsonl", "--device", "cpu", "--processes", "2")
    ended = interrupt("train-character-model", *arguments, at=place, group=group, variables={"OMP_NUM_THREADS": "1"})
    assert ended.code == 130
    assert ended.stderr.count(MESSAGE) == 1
    assert "Traceback" not in ended.stderr
    assert not hidden_files()
