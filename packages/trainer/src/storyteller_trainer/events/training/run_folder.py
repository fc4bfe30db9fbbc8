"""What the files of an event run say.

Beside the files of every run: the encoder's configuration, the tokenizer, and the two held-out sets as JSONL, for
`evaluate-classifier` to score the exported model on. They are written after the first epoch, before its model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from storyteller_schema.common.files import write_atomic
from storyteller_schema.contract.fingerprint import event_fingerprint
from torch import Tensor

from storyteller_trainer.events.data.convention import convention
from storyteller_trainer.events.data.dataset import EventDataset
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.split import HELD_OUT
from storyteller_trainer.events.model.checkpoint import EventMetadata, save_encoder
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.model.encoders import Encoder
from storyteller_trainer.events.training.evaluation import Evaluation
from storyteller_trainer.events.training.recipe import Recipe
from storyteller_trainer.events.training.summary import DataSummary, RunSummary
from storyteller_trainer.events.training.train import Epoch, Trainer, TrainState
from storyteller_trainer.runs.folder import RunFolder
from storyteller_trainer.runs.history import HistoryRow, Losses
from storyteller_trainer.runs.tensor_file import package_versions

#: Logits are of the order of 1; float32 on another device differs by about 1e-5, and with TF32 by about 1e-3.
MAX_DEVIATION = 0.01


class EventRow(HistoryRow, frozen=True, kw_only=True):
    """One line of `history.jsonl`; the heads are tasks (`event`, `ner`), the scores those of `Evaluation.summary`."""

    #: What the best epoch is chosen by: see `Evaluation.score`.
    score: float


class RunState(msgspec.Struct, kw_only=True):
    """What `last.safetensors` says beside its tensors."""

    task: Task
    #: As the user named it.
    encoder: str
    recipe: Recipe
    #: SHA-256, hex, of the training file and of the tokenizer.
    data_hash: str
    tokenizer_hash: str
    train_state: TrainState = msgspec.field(name="course")
    #: By which the run computes; 0 in files of versions that did not note it.
    threads: int = 0
    fingerprint: str = msgspec.field(default_factory=event_fingerprint)
    versions: dict[str, str] = msgspec.field(default_factory=lambda: package_versions("transformers", "tokenizers"))


class EventRunFolder(RunFolder[Epoch, RunState]):
    """A classifier in training and the folder of its run."""

    last_kind = RunState

    def __init__(
        self,
        path: Path,
        trainer: Trainer,
        encoder: Encoder,
        state: RunState,
        facts: DataSummary,
        held_out: dict[str, list[EventExample]],
        dataset: EventDataset,
        notify: Callable[[str], None],
    ) -> None:
        """
        Args:
            state: what `last` is to say, but for the train state, which is the trainer's.
            facts: about the data, for `run.json`.
            held_out: the examples of each part in `HELD_OUT`.
            dataset: all of the data; the checkpoint says which files it is and what its spans hold.
            notify: called with lines for the user.
        """
        super().__init__(path, trainer)
        self._trainer: Trainer = trainer
        self._encoder, self._state, self._facts, self._notify = encoder, state, facts, notify
        self._held_out = {part: msgspec.json.Encoder().encode_lines(found) for part, found in held_out.items()}
        self._file_hashes = dataset.file_hashes
        self._convention = convention(dataset.examples)
        self._parameters = sum(parameter.numel() for parameter in trainer.model.parameters())

    def begin(self) -> None:
        """Writes the state before the first epoch; warns of a device that is not to be trusted."""
        device = self._trainer.device
        # An accelerator that computes something else than the CPU before training will not do better in it.
        if device.type != "cpu" and not (deviation := self._trainer.deviation_from_cpu()) <= MAX_DEVIATION:
            self._notify(
                f"Before training, logits on {device} differ from the CPU's by {deviation:.2g}, where less than "
                f"{MAX_DEVIATION} is to be expected: do not trust this device with this encoder; --device cpu is safe"
            )
        super().begin()

    def prepare(self, epoch: Epoch) -> Callable[[], None]:
        """What is to be written after an epoch; with the first one, at once, what goes with every model of the run."""
        if epoch.number == 1:
            # Not before there is a model that goes with them: until now the folder may hold another run's.
            save_encoder(self.path, self._encoder)
            for part, name in HELD_OUT.items():
                write_atomic(self.path / name, self._held_out[part])
        return super().prepare(epoch)

    def best_metadata(self, epoch: Epoch) -> EventMetadata:
        """What `best` is to say of an epoch's weights."""
        return EventMetadata(
            task=self._state.task,
            encoder=self._state.encoder,
            family=self._encoder.family,
            parameters=self._parameters,
            epoch=epoch.number,
            validation=epoch.validation,
            data_hash=self._state.data_hash,
            file_hashes=self._file_hashes,
            spans=self._convention.name,
            determiner_share=self._convention.share,
            seed=self._state.recipe.seed,
            split=self._state.recipe.split,
            tokenizer_hash=self._state.tokenizer_hash,
            thresholds=epoch.evaluation.thresholds if epoch.evaluation else {},
            held_out={part: hashlib.sha256(content).hexdigest() for part, content in self._held_out.items()},
        )

    def last_metadata(self) -> RunState:
        """What `last` is to say now."""
        return msgspec.structs.replace(self._state, train_state=self._trainer.train_state)

    def restore(self, tensors: dict[str, Tensor], saved: RunState) -> None:
        """Takes over what `last` holds."""
        self._trainer.load_state(tensors, saved.train_state)

    def history(self) -> list[EventRow]:
        """A row for every epoch so far."""
        return [self._row(epoch) for epoch in self._trainer.train_state.history]

    def summary(self, scores: dict[str, Evaluation] | None = None) -> RunSummary:
        """What `run.json` is to say.

        Args:
            scores: of a finished run, of the best epoch by part.
        """
        state = self._trainer.train_state
        # A run that was begun by an older version does not know everything about its best epoch.
        known = {"validation": state.best.evaluation} if state.best and state.best.evaluation else {}
        return RunSummary(
            finished=scores is not None,
            task=self._state.task,
            encoder=self._state.encoder,
            family=self._encoder.family,
            parameters=self._parameters,
            epochs=state.epoch,
            best_epoch=state.best_epoch,
            scores=known if scores is None else scores,
            seconds=state.seconds,
            examples_per_second=state.examples / state.seconds,
            device=str(self._trainer.device),
            threads=torch.get_num_threads(),
            data=self._facts,
            recipe=self._state.recipe,
            versions=self._state.versions,
        )

    def figures(self, epoch: Epoch) -> str:
        """An epoch in one line."""
        train, validation = (sum(losses.values()) for losses in (epoch.train_loss, epoch.validation_loss))
        scores = "  ".join(f"{name.replace('_f1', ' F1')} {value:.4f}" for name, value in epoch.validation.items())
        return f"train {train:.4f}  val {validation:.4f}  {scores}"

    def _row(self, epoch: Epoch) -> EventRow:
        steps, recipe = self._trainer.steps_per_epoch, self._trainer.recipe

        def losses(heads: dict[str, float]) -> Losses:
            return Losses(sum(self._trainer.loss_weight(name) * loss for name, loss in heads.items()), heads)

        return EventRow(
            epoch=epoch.number,
            learning_rate=recipe.learning_rate_at(steps * epoch.number, steps * recipe.epochs),
            train=losses(epoch.train_loss),
            validation=losses(epoch.validation_loss),
            scores=epoch.validation,
            score=epoch.score,
        )
