"""A training run on disk: what is written when, so that it can be killed at any moment and resumed.

Before the first epoch: `last.safetensors`. After the first: the encoder's configuration, the tokenizer, and the two
held-out sets as JSONL, for `evaluate-classifier` to score the exported model on. After every epoch: `best.safetensors`
if it was the best, then `last.safetensors`, then `history.jsonl`, which is written whole from what `last` knows, then
`run.json`. At the end: `run.json` with the scores on the held-out sets. Each file is renamed into place.

A new run in the folder of an old one leaves the old model and `run.json` in place until its own first epoch is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import write_atomic

from storyteller_trainer.events.data.dataset import EventDataset
from storyteller_trainer.events.data.encoding import Encodings, encode
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.skeleton import split_group
from storyteller_trainer.events.data.split import HELD_OUT, split
from storyteller_trainer.events.model.checkpoint import (
    EventMetadata,
    load_event_checkpoint,
    save_encoder,
    save_weights,
    tokenizer_hash,
)
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.encoder_names import DEFAULT_ENCODER
from storyteller_trainer.events.model.encoders import load_encoder
from storyteller_trainer.events.training.evaluation import Evaluation
from storyteller_trainer.events.training.recipe import Recipe, recipe_for
from storyteller_trainer.events.training.resume_state import RunState, load_state, read_state, save_state
from storyteller_trainer.events.training.summary import DataSummary, RunSummary
from storyteller_trainer.events.training.train import Epoch, NonFiniteError, Trainer, TrainingData
from storyteller_trainer.runs.claim import claimed
from storyteller_trainer.runs.folder import BEST, HISTORY, LAST, SUMMARY
from storyteller_trainer.runs.history import HistoryRow, Losses
from storyteller_trainer.runs.interrupt import deferred_interrupt
from storyteller_trainer.runs.progress import EpochProgress
from storyteller_trainer.runs.threads import choose_threads, computing_by

#: Logits are of the order of 1; float32 on another device differs by about 1e-5, and with TF32 by about 1e-3.
MAX_DEVIATION = 0.01


class EventRow(HistoryRow, frozen=True, kw_only=True):
    """One line of `history.jsonl`; the heads are tasks (`event`, `ner`), the scores those of `Evaluation.summary`."""

    #: What the best epoch is chosen by: see `Evaluation.score`.
    score: float


class Interrupted(Exception):
    """Ctrl-C stopped the run; what is complete is on disk."""

    def __init__(self, task: Task, epochs: int) -> None:
        super().__init__(f"{task}: stopped by Ctrl-C during epoch {epochs + 1}")
        #: Complete epochs on disk.
        self.epochs = epochs


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for."""

    task: Task
    folder: Path
    """Of the run."""

    encoder: str | None = None
    """None for the default, or for what the resumed run had."""

    options: dict[str, Any]
    """Values of the recipe that were given; None stands for one that was not."""

    resume: bool = False
    """Go on with the run in the folder; if there is none, begin one."""

    cpu_on_nan: bool = False
    """Go on on the CPU, from the last complete epoch, when a loss or gradient is no number."""

    threads: int | None = None
    """By how many to compute on the CPU; None for what the resumed run had, or else for what is free."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))  # a caller without type checks may give a str


def train_classifier(
    dataset: EventDataset, request: Request, device: torch.device, notify: Callable[[str], None] = lambda line: None
) -> RunSummary:
    """Trains a classifier, or goes on training it, and leaves everything about it in a folder.

    Args:
        notify: called with lines for the user.

    Raises:
        StorytellerError: the encoder cannot be loaded, the data cannot be split, the resumed run was another one, a
            loss is no number, or the folder cannot be written to or is another run's.
        Interrupted: Ctrl-C.
    """
    # Before anything is read from the folder: another run would go on changing it.
    with claimed(request.folder):
        try:
            return _run(dataset, request, device, notify)
        except NonFiniteError as error:
            if not request.cpu_on_nan or device.type == "cpu":
                raise
            notify(f"{error}")
            notify("Continuing on the CPU, as --on-nan cpu asks")
            return _run(dataset, replace(request, resume=True), torch.device("cpu"), notify)


def _run(dataset: EventDataset, request: Request, device: torch.device, notify: Callable[[str], None]) -> RunSummary:
    last = request.folder / LAST
    recorded = read_state(last).threads if request.resume and last.exists() else None
    with computing_by(choose_threads(device, request.threads, recorded, notify)):
        return _Run(dataset, request, device, notify).execute()


class _Run:
    """A trainer and the folder in which it leaves its results."""

    def __init__(
        self, dataset: EventDataset, request: Request, device: torch.device, notify: Callable[[str], None]
    ) -> None:
        self._dataset, self._request, self._device, self._notify = dataset, request, device, notify
        self._folder = request.folder
        saved = read_state(self._folder / LAST) if request.resume and (self._folder / LAST).exists() else None
        name = request.encoder or (saved.encoder if saved else DEFAULT_ENCODER)
        base = saved.recipe if saved else recipe_for(name)
        recipe = base.with_options(**request.options)
        self._encoder = load_encoder(name)
        parts = split(dataset.examples, recipe.split, recipe.seed)
        self._examples = {part.name: getattr(parts, part.name) for part in fields(parts)}
        self._held_out = {part: msgspec.json.Encoder().encode_lines(self._examples[part]) for part in HELD_OUT}
        self._encodings = {part: encode(examples, self._encoder.tokenizer) for part, examples in self._examples.items()}
        self._facts = DataSummary(
            file=str(dataset.path),
            hash=dataset.content_hash,
            examples={part: len(examples) for part, examples in self._examples.items()},
            skeletons={part: _skeletons(examples) for part, examples in self._examples.items()},
            notices=_notices(self._encodings),
        )
        data = TrainingData(self._encodings["train"].items, self._encodings["validation"].items)
        self._trainer = Trainer(request.task, recipe, self._encoder, data, device)
        self._state = RunState(
            task=request.task,
            encoder=name,
            recipe=recipe,
            data_hash=dataset.content_hash,
            tokenizer_hash=tokenizer_hash(self._encoder.tokenizer),
            course=self._trainer.course,
            threads=torch.get_num_threads(),
        )
        if saved:
            _check_same(self._folder / LAST, saved, self._state)

    def execute(self) -> RunSummary:
        """Epoch after epoch until the recipe says stop, then the scores of the best one."""
        self._begin()
        trainer, course = self._trainer, self._trainer.course
        with deferred_interrupt() as check, EpochProgress(trainer.recipe.epochs, course.epoch) as progress:

            def after_step(done: int, of: int) -> None:
                progress.step(done, of)
                check()

            while not trainer.should_stop():
                try:
                    epoch = trainer.run_epoch(after_step)
                except KeyboardInterrupt:
                    raise Interrupted(self._request.task, course.epoch) from None
                except NonFiniteError as error:
                    raise NonFiniteError(f"{error}; {self._rescue()}") from error
                self._save(epoch)
                progress.epoch(epoch.number, _figures(epoch))
        return self._finish()

    def _begin(self) -> None:
        last = self._folder / LAST
        for name in (BEST, LAST, HISTORY, SUMMARY, *HELD_OUT.values()):
            for leftover in self._folder.glob(f".{name}.*"):  # of a run that was killed while it wrote
                leftover.unlink(missing_ok=True)
        for notice in self._facts.notices:
            self._notify(notice)
        if self._request.resume and last.exists():
            load_state(last, self._trainer)
            self._state.course = self._trainer.course
            self._notify(f"Going on with {self._folder} after epoch {self._trainer.course.epoch}")
            return
        if self._request.resume:
            self._notify(f"{self._folder} holds no run to go on with: beginning one")
        elif (self._folder / BEST).exists():
            self._notify(
                f"{self._folder} holds an earlier run: its model stays until the first epoch of this one is done"
            )
        self._check_device()
        save_state(last, self._state, self._trainer)

    def _check_device(self) -> None:
        """An accelerator that computes something else than the CPU before training will not do better in it."""
        if self._device.type != "cpu" and not (deviation := self._trainer.deviation_from_cpu()) <= MAX_DEVIATION:
            self._notify(
                f"Before training, logits on {self._device} differ from the CPU's by {deviation:.2g}, where less than "
                f"{MAX_DEVIATION} is to be expected: do not trust this device with this encoder; --device cpu is safe"
            )

    def _save(self, epoch: Epoch) -> None:
        course = self._trainer.course
        if not course.history:
            # Not before there is a model that goes with them: until now the folder may hold another run's.
            save_encoder(self._folder, self._encoder)
            for part, name in HELD_OUT.items():
                write_atomic(self._folder / name, self._held_out[part])
        if course.add(epoch):
            save_weights(self._folder / BEST, self._trainer.model, self._metadata(epoch))
        save_state(self._folder / LAST, self._state, self._trainer)
        rows = [_row(epoch, self._trainer) for epoch in course.history]
        write_atomic(self._folder / HISTORY, msgspec.json.Encoder().encode_lines(rows))
        best = course.best
        # A run that was begun by an older version does not know everything about its best epoch.
        self._summarise({"validation": best.evaluation} if best and best.evaluation else {})

    def _metadata(self, epoch: Epoch) -> EventMetadata:
        return EventMetadata(
            task=self._state.task,
            encoder=self._state.encoder,
            family=self._encoder.family,
            parameters=_parameters(self._trainer),
            epoch=epoch.number,
            validation=epoch.validation,
            data_hash=self._state.data_hash,
            seed=self._state.recipe.seed,
            split=self._state.recipe.split,
            tokenizer_hash=self._state.tokenizer_hash,
            held_out={part: hashlib.sha256(content).hexdigest() for part, content in self._held_out.items()},
        )

    def _rescue(self) -> str:
        """What is kept after a bad step, and what to do."""
        course = self._trainer.course
        kept = f"the step was not taken, and {self._folder / LAST} holds the state after epoch {course.epoch}"
        if course.best_epoch:
            kept += f", {self._folder / BEST} the best checkpoint, of epoch {course.best_epoch}"
        if self._device.type == "cpu":
            return f"{kept}. Lower --lr, or look at the data with --validate-only"
        advice = "Continue on the CPU: the same command with --resume --device cpu (or --on-nan cpu in the first place)"
        if self._device.type == "mps" and self._encoder.family.startswith("deberta"):
            advice = f"DeBERTa is known to give NaN when trained on MPS, before its first epoch is over. {advice}"
        return f"{kept}. {advice}"

    def _finish(self) -> RunSummary:
        """Scores the best epoch on all parts that it was not trained on."""
        best = load_event_checkpoint(self._folder)
        self._trainer.model.load_state_dict(best.model.state_dict())
        scored = ("validation", *HELD_OUT)
        scores = {part: self._trainer.evaluate(self._encodings[part].items) for part in scored}
        return self._summarise(scores, finished=True)

    def _summarise(self, scores: dict[str, Evaluation], *, finished: bool = False) -> RunSummary:
        """Writes `run.json`."""
        course = self._trainer.course
        summary = RunSummary(
            finished=finished,
            task=self._state.task,
            encoder=self._state.encoder,
            family=self._encoder.family,
            parameters=_parameters(self._trainer),
            epochs=course.epoch,
            best_epoch=course.best_epoch,
            scores=scores,
            seconds=course.seconds,
            examples_per_second=course.examples / course.seconds,
            device=str(self._device),
            threads=torch.get_num_threads(),
            data=self._facts,
            recipe=self._state.recipe,
            versions=self._state.versions,
        )
        write_atomic(self._folder / SUMMARY, msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
        return summary


def _parameters(trainer: Trainer) -> int:
    return sum(parameter.numel() for parameter in trainer.model.parameters())


def _skeletons(examples: Sequence[EventExample]) -> int:
    return len({split_group(example) for example in examples})


def _notices(encodings: dict[str, Encodings]) -> list[str]:
    return [f"{part}: {notice}" for part, encoded in encodings.items() for notice in encoded.notices()]


def _figures(epoch: Epoch) -> str:
    train, validation = (sum(losses.values()) for losses in (epoch.train_loss, epoch.validation_loss))
    scores = "  ".join(f"{name.replace('_f1', ' F1')} {value:.4f}" for name, value in epoch.validation.items())
    return f"train {train:.4f}  val {validation:.4f}  {scores}"


def _row(epoch: Epoch, trainer: Trainer) -> EventRow:
    steps, recipe = trainer.steps_per_epoch, trainer.recipe

    def losses(heads: dict[str, float]) -> Losses:
        return Losses(sum(trainer.loss_weight(name) * loss for name, loss in heads.items()), heads)

    return EventRow(
        epoch=epoch.number,
        learning_rate=recipe.learning_rate_at(steps * epoch.number, steps * recipe.epochs),
        train=losses(epoch.train_loss),
        validation=losses(epoch.validation_loss),
        scores=epoch.validation,
        score=epoch.score,
    )


def _check_same(last: Path, saved: RunState, asked: RunState) -> None:
    """A resumed run keeps its data, encoder and recipe.

    Raises:
        StorytellerError: naming what differs.
    """
    changes = [
        f"{what} {getattr(saved, name)} -> {getattr(asked, name)}"
        for name, what in (
            ("task", "task"),
            ("encoder", "encoder"),
            ("data_hash", "SHA-256 of the data"),
            ("tokenizer_hash", "SHA-256 of the tokenizer"),
            ("fingerprint", "event contract"),
        )
        if getattr(saved, name) != getattr(asked, name)
    ]
    changes += [
        f"{field.name} {getattr(saved.recipe, field.name)} -> {getattr(asked.recipe, field.name)}"
        for field in fields(Recipe)
        if getattr(saved.recipe, field.name) != getattr(asked.recipe, field.name)
    ]
    if changes:
        raise StorytellerError(
            f"{last}: a resumed run keeps its settings, but these differ: {', '.join(changes)}; leave the options out, "
            "or train anew without --resume"
        )
