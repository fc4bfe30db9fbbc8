"""The real thing: the command is killed again and again, and ends where it would have ended."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from storyteller_trainer.character.training.run_folder import LastMetadata
from storyteller_trainer.commands.train_character_model import main
from storyteller_trainer.runs.tensor_file import read_metadata, read_tensors

COMMAND = [sys.executable, "-c", "from storyteller_trainer.commands.train_character_model import main; main()"]
EPOCHS = 15


def arguments(data: Path, folder: str) -> list[str]:
    return [str(data), "--output-dir", folder, "--epochs", str(EPOCHS), "--patience", "999", "--batch-size", "64"]


def start(data: Path, folder: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments(data, folder), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def in_this_process(*options: str) -> None:
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output


def finish(process: subprocess.Popen[str]) -> str:
    """Waits for the end; what it wrote to stderr."""
    _, messages = process.communicate(timeout=300)
    return messages


def epochs_done(folder: str) -> int:
    path = Path(folder) / "last.safetensors"
    return read_metadata(path, LastMetadata).epoch if path.exists() else -1


def stop_somewhere(process: subprocess.Popen[str], folder: str, number: int, rng: random.Random) -> None:
    """Sends a signal at a random moment of the training."""
    before = epochs_done(folder)
    while epochs_done(folder) <= before:
        assert process.poll() is None, finish(process)
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.1))
    process.send_signal(number)


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(small_jsonl: Path) -> None:
    in_this_process(*arguments(small_jsonl, "whole"))
    rng = random.Random(int.from_bytes(os.urandom(4)))
    for options in ([], ["--resume"]):
        process = start(small_jsonl, "run", *options)
        stop_somewhere(process, "run", signal.SIGKILL, rng)
        finish(process)
        assert process.returncode == -signal.SIGKILL

    process = start(small_jsonl, "run", "--resume")
    stop_somewhere(process, "run", signal.SIGINT, rng)
    messages = finish(process)
    assert process.returncode == 130, messages
    done = epochs_done("run")
    assert f"stopped by Ctrl-C during epoch {done + 1}: {done} epochs are saved in run; go on with:" in messages
    assert messages.rstrip().endswith(f"train-character-model {small_jsonl} --output-dir run --resume")

    in_this_process(*arguments(small_jsonl, "run"), "--resume")
    for name in ("best.safetensors", "history.jsonl"):
        assert (Path("run") / name).read_bytes() == (Path("whole") / name).read_bytes()
    ours, expected = (read_tensors(Path(name) / "last.safetensors", LastMetadata)[0] for name in ("run", "whole"))
    assert all(torch.equal(ours[name], expected[name]) for name in expected)
