"""Epoch after epoch, until the recipe or the user says stop."""

from __future__ import annotations

from functools import partial
from typing import Any

from storyteller_trainer.runs.background import Background
from storyteller_trainer.runs.distributed import size, stop_together
from storyteller_trainer.runs.folder import E, L, Leader, RunFolder
from storyteller_trainer.runs.interrupt import deferred_interrupt
from storyteller_trainer.runs.progress import EpochProgress
from storyteller_trainer.runs.trainer import Trainer


class Interrupted(Exception):
    """Ctrl-C stopped the run; what is complete is on disk."""

    def __init__(self, epochs: int) -> None:
        super().__init__(f"stopped by Ctrl-C during epoch {epochs + 1}")
        #: Complete epochs on disk.
        self.epochs = epochs


def run_epochs(
    trainer: Trainer[Any, E],
    folder: RunFolder[E, L],
    progress: EpochProgress,
    leader: Leader,
) -> None:
    """Trains until the trainer says stop; after every epoch its files are written and its figures shown.

    The files of an epoch are written while the next one trains, and its figures are shown when they are there.

    Raises:
        Interrupted: Ctrl-C; the step under way is finished and no file half written. A second one stops at once.
    """
    with deferred_interrupt() as check, progress, Background() as background:

        def after_step(done: int, of: int) -> None:
            progress.step(done, of)
            stop_together(check)
            if size() == 1:  # of several processes all have to hear of an error at the same place
                background.check()

        def keep(epoch: E) -> None:
            write, figures = folder.prepare(epoch), folder.figures(epoch)

            def work() -> None:
                write()
                progress.epoch(epoch.number, figures)

            background.do(work)

        while not trainer.should_stop():
            try:
                epoch = trainer.run_epoch(after_step)
            except KeyboardInterrupt:
                leader(background.wait)
                raise Interrupted(trainer.train_state.epoch) from None
            leader(partial(keep, epoch))
        leader(background.wait)
