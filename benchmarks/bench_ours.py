"""`train-character-model` as a process under measurement: the command itself, with notes of when things happen.

python benchmarks/bench_ours.py LOG DATA [options of train-character-model]
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_log import EventLog
from storyteller_schema.common.entry import COLLECTING
from storyteller_trainer.commands import train_character_model


def watch(log: EventLog) -> None:
    """Makes the trainer of this process note its first step and the end of each epoch; imports PyTorch."""
    from storyteller_trainer.character.training.train import Epoch, Trainer

    step, run_epoch = Trainer.train_step, Trainer.run_epoch
    steps = 0

    def noted_step(self: Trainer, *arguments: Any, **more: Any) -> Any:
        nonlocal steps
        result = step(self, *arguments, **more)
        steps += 1
        if steps == 1:
            log.note("first_step")
        return result

    def noted_epoch(self: Trainer, *arguments: Any, **more: Any) -> Epoch:
        epoch = run_epoch(self, *arguments, **more)
        log.note("epoch", epoch=epoch.number, val_loss=epoch.validation.losses.total, steps=steps)
        return epoch

    Trainer.train_step = noted_step  # type: ignore[method-assign]  # nothing in the trainer knows of benchmarks
    Trainer.run_epoch = noted_epoch  # type: ignore[method-assign]


def main() -> None:
    """Runs the command in this process and hands on its exit code."""
    with EventLog(Path(sys.argv[1])) as log:
        gc.set_threshold(*COLLECTING)  # as where the command begins
        warn: Callable[..., None] = train_character_model._warn

        def watched(*arguments: Any) -> None:
            """In the place of what the command calls when it has imported PyTorch by itself, and read its data."""
            watch(log)
            warn(*arguments)

        train_character_model._warn = watched  # type: ignore[assignment]
        train_character_model.main(sys.argv[2:], prog_name="train-character-model")


if __name__ == "__main__":
    main()
