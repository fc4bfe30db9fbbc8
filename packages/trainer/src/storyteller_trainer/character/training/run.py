"""A training run on disk: what is written when, so that it can be killed at any moment and resumed.

After every epoch: `best.safetensors` if the epoch was the best, then its row in `history.jsonl`, then
`last.safetensors`, then `run.json`. A file is renamed into place (a row is appended), so `last` never speaks of an
epoch whose other files are missing. A run that was killed goes on from `last`: later rows of the history are cut off
and their epochs are run again, on the CPU with the same result to the bit. `last` is first written before epoch 1.

A new run in the folder of an old one leaves the old `best` and `run.json` in place until its own first epoch is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import torch
from rich.console import Console
from storyteller_schema.common.console import err
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath, write_atomic
from storyteller_schema.contract.fingerprint import fingerprint

from storyteller_trainer.character.data.batches import make_sources
from storyteller_trainer.character.data.data_summary import DataSummary
from storyteller_trainer.character.data.dataset import CharacterDataset, DataFile
from storyteller_trainer.character.data.split import split_by_cell
from storyteller_trainer.character.model.checkpoint import STATE_PREFIX, CheckpointMetadata, check_fingerprint
from storyteller_trainer.character.training.recipe import DEFAULT_RECIPE, RECIPES, Recipe
from storyteller_trainer.character.training.summary import RunSummary
from storyteller_trainer.character.training.train import Epoch, Evaluation, Trainer, TrainState
from storyteller_trainer.runs import distributed
from storyteller_trainer.runs.claim import claimed
from storyteller_trainer.runs.device import subnormals_as_zero
from storyteller_trainer.runs.folder import BEST, HISTORY, LAST, SUMMARY
from storyteller_trainer.runs.history import HistoryRow, with_todays_keys
from storyteller_trainer.runs.interrupt import deferred_interrupt
from storyteller_trainer.runs.progress import EpochProgress
from storyteller_trainer.runs.tensor_file import package_versions, read_metadata, read_tensors, save_tensors
from storyteller_trainer.runs.threads import choose_threads, computing_by

#: Bytes of features up to which the data is held in memory.
MEMORY_LIMIT = 2e9


class CharacterRow(HistoryRow, frozen=True, kw_only=True):
    """One line of `history.jsonl`; the scores are accuracies by field, of binary fields as the engine cuts."""

    #: Validation loss by term, unweighted.
    terms: dict[str, float]


class LastMetadata(CheckpointMetadata, frozen=True, kw_only=True):
    """What `last.safetensors` says beyond what every checkpoint says: all that is needed to go on."""

    course: TrainState
    #: Spent in the loop so far.
    seconds: float


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the first process decides for all."""

    recipe: Recipe
    #: Of the run to go on with; None begins one.
    course: TrainState | None
    data_hash: str
    memory_limit: float
    #: Of each process.
    threads: int


class Interrupted(Exception):
    """Ctrl-C stopped the run; what is complete is on disk."""

    def __init__(self, epochs: int) -> None:
        super().__init__(f"stopped by Ctrl-C during epoch {epochs + 1}")
        #: Complete epochs on disk.
        self.epochs = epochs


@subnormals_as_zero()
def train_character_model(
    data: CharacterDataset,
    folder: StrPath,
    device: torch.device,
    *,
    preset: str | None = None,
    options: dict[str, Any] | None = None,
    resume: bool = False,
    memory_limit: float = MEMORY_LIMIT,
    threads: int | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> RunSummary:
    """Trains a network, or goes on training it, and leaves everything about it in a folder.

    Args:
        data: from `load_dataset` or `load_shards`.
        folder: of the run.
        device: from `choose_device`.
        preset: the recipe's name; None for the default one, or for what the resumed run had.
        options: values of the recipe that the user gave; None stands for one that was not given.
        resume: go on with the run in the folder; if there is none, begin one.
        memory_limit: features of more bytes than this are read from the cache as they are needed (batches.py).
        threads: by how many each process computes on the CPU; None for what the resumed run had, or what is free.
        notify: called with lines for the user.

    Of several processes (distributed.py) only the first one touches the folder, and its recipe counts.

    Raises:
        StorytellerError: the data cannot be split, the resumed run was another one, training diverged, or the folder
            cannot be written to or is another run's.
        Interrupted: Ctrl-C.
    """
    folder = Path(folder)
    last = folder / LAST

    def decide() -> _Plan:
        saved = None
        if resume and last.exists():
            saved = read_metadata(last, LastMetadata)
            check_fingerprint(last, saved.schema_fingerprint)
            _check_data(last, saved, data)
        return _Plan(
            recipe=_recipe(last, saved, preset, options or {}),
            course=saved.course if saved else None,
            data_hash=data.content_hash,
            memory_limit=memory_limit,
            threads=choose_threads(
                device, threads, saved.threads if saved else None, notify, processes=distributed.size_here()
            ),
        )

    with ExitStack() as stack:
        # Before anything is read from the folder: another run would go on changing it.
        with distributed.raise_everywhere():
            if distributed.is_leader():
                stack.enter_context(claimed(folder))
        plan = distributed.by_leader(decide, _Plan)
        with distributed.raise_everywhere():
            _check_same_data(data, plan.data_hash)
        stack.enter_context(computing_by(plan.threads))
        run = _Run(data, folder, device, plan.recipe, plan.memory_limit)
        if plan.course:
            run.load(plan.course)
            notify(f"Going on with {folder} after epoch {plan.course.epoch}")
        else:
            if resume:
                notify(f"{folder} holds no run to go on with: beginning one")
            elif (folder / BEST).exists():
                notify(f"{folder} holds an earlier run: its best stays until the first epoch of this one is done")
            run.begin()
        return run.execute()


class _Run:
    """A trainer and the folder in which it leaves its results."""

    def __init__(
        self, data: CharacterDataset, folder: Path, device: torch.device, recipe: Recipe, memory_limit: float
    ) -> None:
        split = split_by_cell(data.cells, data.cell_names, recipe.val_fraction, recipe.seed)
        self._trainer = Trainer(recipe, *make_sources(data.features, data.labels, split, device, memory_limit))
        self._folder = folder
        self._data = data
        self._facts = DataSummary(
            file=str(data.path),
            hash=data.content_hash,
            files=tuple(DataFile(str(Path(file.path).resolve()), file.hash) for file in data.files),
            examples=len(data),
            cells=len(data.cell_names),
            duplicates=data.duplicates,
            train_examples=len(split.train),
            validation_examples=len(split.validation),
        )
        self._device = device
        self._seconds = 0.0
        self._versions = package_versions()

    def begin(self) -> None:
        """Writes the state before the first epoch, with which even a run killed in that epoch can go on."""
        with distributed.raise_everywhere():
            if distributed.is_leader():
                self._sweep()
                # In this order: a history too long for `last` is cut when the run is resumed.
                self._save_last(self._trainer.validate())
                write_atomic(self._folder / HISTORY, "")
        self._trainer.synchronize()

    def load(self, course: TrainState) -> None:
        """Takes over what `last` holds, of which the course is known already."""
        with distributed.raise_everywhere():
            if distributed.is_leader():
                self._read_last()
        self._trainer.course = course
        self._trainer.synchronize()

    def _read_last(self) -> None:
        """Takes over what `last` holds and cuts off the history of epochs that it does not know."""
        self._sweep()
        path = self._folder / LAST
        tensors, saved = read_tensors(path, LastMetadata)
        state = {
            name.removeprefix(STATE_PREFIX): tensor for name, tensor in tensors.items() if name.startswith(STATE_PREFIX)
        }
        try:
            self._trainer.load_state(state, saved.course)
        except (KeyError, RuntimeError) as error:
            raise StorytellerError(f"{path}: its tensors do not fit the network ({error}); train anew") from error
        self._seconds = saved.seconds
        history = self._folder / HISTORY
        rows = history.read_bytes().splitlines(keepends=True) if history.exists() else []
        write_atomic(history, b"".join(map(with_todays_keys, rows[: saved.epoch])))

    def _sweep(self) -> None:
        """Removes what a killed run left half written."""
        for name in (BEST, LAST, HISTORY, SUMMARY):
            for leftover in self._folder.glob(f".{name}.*"):
                leftover.unlink(missing_ok=True)

    def execute(self) -> RunSummary:
        """Epoch after epoch until the recipe says stop."""
        trainer = self._trainer
        course = trainer.course
        console = err if distributed.is_leader() else Console(quiet=True)
        with deferred_interrupt() as check, EpochProgress(trainer.recipe.epochs, course.epoch, console) as progress:

            def after_step(step: int) -> None:
                progress.step(step, trainer.steps_per_epoch)
                distributed.stop_together(check)

            while not trainer.should_stop():
                started = time.perf_counter()
                try:
                    epoch = trainer.run_epoch(after_step)
                except KeyboardInterrupt:
                    raise Interrupted(course.epoch) from None
                self._seconds += time.perf_counter() - started
                with distributed.raise_everywhere():
                    if distributed.is_leader():
                        self._save(epoch)
                progress.epoch(epoch.number, _figures(epoch, course))
        return distributed.by_leader(self._summarise, RunSummary)

    def _save(self, epoch: Epoch) -> None:
        if epoch.is_best:
            save_tensors(self._folder / BEST, self._trainer.model.state_dict(), self._metadata(epoch.validation))
        with (self._folder / HISTORY).open("ab") as history:
            history.write(msgspec.json.encode(_row(epoch)) + b"\n")
        self._save_last(epoch.validation)
        self._summarise()

    def _save_last(self, evaluation: Evaluation) -> None:
        state = {f"{STATE_PREFIX}{name}": tensor for name, tensor in self._trainer.state().items()}
        metadata = LastMetadata(
            **msgspec.structs.asdict(self._metadata(evaluation)), course=self._trainer.course, seconds=self._seconds
        )
        save_tensors(self._folder / LAST, self._trainer.model.state_dict() | state, metadata)

    def _metadata(self, evaluation: Evaluation) -> CheckpointMetadata:
        return CheckpointMetadata(
            schema_fingerprint=fingerprint(),
            epoch=self._trainer.course.epoch,
            val_loss=evaluation.losses.total,
            head_losses=evaluation.losses.heads,
            term_losses=evaluation.terms,
            metrics=evaluation.metrics,
            data_hash=self._data.content_hash,
            parameters=sum(parameter.numel() for parameter in self._trainer.model.parameters()),
            config=self._trainer.recipe.as_dict(),
            threads=torch.get_num_threads(),
            versions=self._versions,
        )

    def _summarise(self) -> RunSummary:
        """Writes `run.json`, from what the best checkpoint says of itself."""
        best = read_metadata(self._folder / BEST, CheckpointMetadata)
        if best.metrics is None:
            raise StorytellerError(f"{self._folder / BEST}: holds no metrics; train anew")
        summary = RunSummary(
            finished=self._trainer.should_stop(),
            epochs=self._trainer.course.epoch,
            best_epoch=best.epoch,
            val_loss=best.val_loss,
            head_losses=best.head_losses,
            term_losses=best.term_losses,
            irreducible=self._data.ceiling.irreducible(self._trainer.recipe.head_weights),
            best_accuracy=self._data.ceiling.best_accuracy,
            metrics=best.metrics,
            seconds=self._seconds,
            checkpoint=str(self._folder / BEST),
            device=str(self._device),
            threads=torch.get_num_threads(),
            data=self._facts,
            recipe=self._trainer.recipe.as_dict(),
            versions=self._versions,
        )
        write_atomic(self._folder / SUMMARY, msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
        return summary


def _figures(epoch: Epoch, course: TrainState) -> str:
    return (
        f"train {epoch.train.total:.4f}  val {epoch.validation.losses.total:.4f}  "
        f"best {course.best_loss:.4f} (epoch {course.best_epoch})  lr {epoch.learning_rate:.1e}"
    )


def _row(epoch: Epoch) -> CharacterRow:
    metrics = epoch.validation.metrics
    accuracy = {name: score.accuracy for name, score in metrics.categorical.items()}
    accuracy |= {name: score.as_engine.accuracy for name, score in metrics.binary.items()}
    accuracy |= {name: score.accuracy for name, score in metrics.continuous.items() if score.accuracy is not None}
    return CharacterRow(
        epoch=epoch.number,
        learning_rate=epoch.learning_rate,
        train=epoch.train,
        validation=epoch.validation.losses,
        scores=accuracy,
        terms=epoch.validation.terms,
    )


def _check_same_data(data: CharacterDataset, expected: str) -> None:
    if data.content_hash != expected:
        raise StorytellerError(
            f"{data.path}: has SHA-256 {data.content_hash}, but the first process reads data with {expected}; "
            f"give all processes the same files"
        )


def _check_data(last: Path, saved: LastMetadata, data: CharacterDataset) -> None:
    if saved.data_hash != data.content_hash:
        raise StorytellerError(
            f"{last}: trained on data with SHA-256 {saved.data_hash}, but {data.path} has {data.content_hash}; "
            f"give the same data, or train anew without --resume"
        )


def _recipe(last: Path, saved: LastMetadata | None, preset: str | None, options: dict[str, Any]) -> Recipe:
    """The recipe that the user asked for; a resumed run keeps its own, and only its number of epochs may change.

    Not even that where the schedule is laid out over all epochs.
    """
    if saved is None:
        return RECIPES[preset or DEFAULT_RECIPE].with_options(**options)
    try:
        own = Recipe(**saved.config)
    except TypeError as error:
        raise StorytellerError(f"{last}: made by another version of the trainer ({error}); train anew") from error
    asked = RECIPES[preset].with_options(**options) if preset else own.with_options(**options)
    before = own.as_dict()
    free = {"epochs"} if own.schedule == "plateau" else set[str]()
    changes = [
        f"{name} {before[name]!r} -> {value!r}"
        for name, value in asked.as_dict().items()
        if value != before[name] and name not in free
    ]
    if changes:
        raise StorytellerError(
            f"{last}: a resumed run keeps its recipe, but these values differ: {', '.join(changes)}; "
            f"leave the options out, or train anew without --resume"
        )
    return asked
