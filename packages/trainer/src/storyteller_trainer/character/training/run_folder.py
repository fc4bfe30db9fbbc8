"""What the files of a character run say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import torch
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.fingerprint import fingerprint
from torch import Tensor

from storyteller_trainer.character.data.data_summary import DataSummary
from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.data.manifest import Ceiling
from storyteller_trainer.character.model.checkpoint import CheckpointMetadata
from storyteller_trainer.character.rules.report import RulesReport
from storyteller_trainer.character.training.summary import RunSummary
from storyteller_trainer.character.training.train import Epoch, Evaluation, Trainer, TrainState
from storyteller_trainer.runs.folder import RunFolder
from storyteller_trainer.runs.history import HistoryRow, with_todays_keys
from storyteller_trainer.runs.run_files import BEST, HISTORY
from storyteller_trainer.runs.tensor_file import package_versions, read_metadata


class CharacterRow(HistoryRow, frozen=True, kw_only=True):
    """One line of `history.jsonl`; the scores are accuracies by field, of binary fields as the engine cuts."""

    #: Validation loss by term, unweighted.
    terms: dict[str, float]


class LastMetadata(CheckpointMetadata, frozen=True, kw_only=True):
    """What `last.safetensors` says beyond what every checkpoint says: all that is needed to go on."""

    train_state: TrainState = msgspec.field(name="course")
    #: Spent in the loop so far.
    seconds: float
    #: Of all epochs; empty in files of versions that appended to `history.jsonl`.
    history: tuple[CharacterRow, ...] = ()


class CharacterRunFolder(RunFolder[Epoch, LastMetadata]):
    """A character network in training and the folder of its run."""

    last_kind = LastMetadata

    def __init__(
        self,
        path: Path,
        trainer: Trainer,
        data: CharacterDataset,
        facts: DataSummary,
        found: RulesReport,
        ceiling: Ceiling,
        device: torch.device,
    ) -> None:
        """
        Args:
            facts: about the data, for `run.json`; found: of its labels; ceiling: what is claimed because of that.
        """
        super().__init__(path, trainer)
        self._trainer: Trainer = trainer
        self._data, self._facts, self._device = data, facts, device
        self._found, self._ceiling = found, ceiling
        self._seconds = 0.0
        self._rows: list[CharacterRow] = []
        #: Of the weights as they stand.
        self._evaluation: Evaluation | None = None
        #: What `best` says; None where this process has not written it.
        self._best: CheckpointMetadata | None = None
        self._versions = package_versions()

    def prepare(self, epoch: Epoch) -> Callable[[], None]:
        """What is to be written after an epoch."""
        self._seconds += epoch.seconds
        self._rows.append(_row(epoch))
        self._evaluation = epoch.validation
        return super().prepare(epoch)

    def best_metadata(self, epoch: Epoch) -> CheckpointMetadata:
        """What `best` is to say of an epoch's weights."""
        self._best = self._metadata(epoch.validation)
        return self._best

    def last_metadata(self) -> LastMetadata:
        """What `last` is to say now; before the first epoch the untrained network is judged for it."""
        return LastMetadata(
            **msgspec.structs.asdict(self._metadata(self._evaluation or self._trainer.validate())),
            train_state=self._trainer.train_state,
            seconds=self._seconds,
            history=tuple(self._rows),
        )

    def restore(self, tensors: dict[str, Tensor], saved: LastMetadata) -> None:
        """Takes over what `last` holds; the history of an earlier version's run is in `history.jsonl` only."""
        self._trainer.load_state(tensors, saved.train_state)
        self._seconds = saved.seconds
        self._rows = list(saved.history) if len(saved.history) == saved.epoch else self._appended_rows(saved.epoch)

    def history(self) -> Sequence[CharacterRow]:
        """A row for every epoch so far."""
        return self._rows

    def summary(self) -> RunSummary:
        """What `run.json` is to say now, from what the best checkpoint says of itself."""
        best = self._best or read_metadata(self.path / BEST, CheckpointMetadata)
        if best.metrics is None:
            raise StorytellerError(f"{self.path / BEST}: holds no metrics; train anew")
        recipe = self._trainer.recipe
        return RunSummary(
            finished=self._trainer.should_stop(),
            epochs=self._trainer.train_state.epoch,
            best_epoch=best.epoch,
            val_loss=best.val_loss,
            head_losses=best.head_losses,
            term_losses=best.term_losses,
            irreducible=self._ceiling.irreducible(recipe.head_weights),
            best_accuracy=self._ceiling.best_accuracy,
            metrics=best.metrics,
            seconds=self._seconds,
            checkpoint=str(self.path / BEST),
            device=str(self._device),
            threads=torch.get_num_threads(),
            data=self._facts,
            rules=self._found,
            recipe=recipe.as_dict(),
            versions=self._versions,
        )

    def figures(self, epoch: Epoch) -> str:
        """An epoch in one line."""
        state = self._trainer.train_state
        expected = " on expected labels" if self._trainer.recipe.expected_labels else ""
        return (
            f"train {epoch.train.total:.4f}{expected}  val {epoch.validation.losses.total:.4f}  "
            f"best {state.best_loss:.4f} (epoch {state.best_epoch})  lr {epoch.learning_rate:.1e}"
        )

    def _metadata(self, evaluation: Evaluation) -> CheckpointMetadata:
        return CheckpointMetadata(
            schema_fingerprint=fingerprint(),
            epoch=self._trainer.train_state.epoch,
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

    def _appended_rows(self, epochs: int) -> list[CharacterRow]:
        path = self.path / HISTORY
        lines = path.read_bytes().splitlines()[:epochs] if path.exists() else []
        try:
            return [msgspec.json.decode(with_todays_keys(line), type=CharacterRow) for line in lines]
        except msgspec.DecodeError as error:
            raise StorytellerError(f"{path}: not the history of a run ({error}); remove the file") from error


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
