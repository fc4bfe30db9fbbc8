"""burn trains as PyTorch does, on our data and our split, and what it saves is a checkpoint like any other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from rust_engine import EngineError
from storyteller_exporter.commands.export_character_model import main as export_character_model
from storyteller_exporter.commands.verify_onnx import main as verify_onnx
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.data.dataset import CharacterDataset
from storyteller_trainer.character.data.split_file import SplitFile, write_split
from storyteller_trainer.character.model.checkpoint import CheckpointMetadata, load_checkpoint, save_checkpoint
from storyteller_trainer.character.model.losses import head_losses, loss_terms
from storyteller_trainer.character.model.network import PARAMETERS, CharacterModel
from storyteller_trainer.character.training.recipe import RECIPES

pytestmark = pytest.mark.burn

#: Steps whose losses are compared; after that, rounding has had time to grow.
STEPS = 20
TOLERANCE = 1e-4
SEED = 42
FRACTION = 0.2


@dataclass(frozen=True)
class Job:
    """A job for `burn-character train`, and where what it names lies."""

    file: Path
    split: Path
    output: Path

    def write(self, **values: Any) -> Path:
        """The file, with values beside the two that it cannot do without."""
        self.file.write_text(json.dumps({"split": str(self.split), "output": str(self.output)} | values))
        return self.file


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "job.json", tmp_path / "split.json", tmp_path / "burn" / "best.safetensors")


@pytest.fixture
def split(job: Job, trained: Any) -> SplitFile:
    job.output.parent.mkdir()
    return write_split(job.split, trained.data, FRACTION, SEED)


def edited(split: SplitFile, job: Job, **values: Any) -> None:
    job.split.write_bytes(msgspec.json.encode(msgspec.structs.replace(split, **values)))


def save_untrained(model: CharacterModel, path: Path) -> None:
    about = CheckpointMetadata(
        schema_fingerprint=fingerprint(),
        epoch=0,
        val_loss=0.0,
        head_losses={},
        data_hash="0" * 64,
        parameters=PARAMETERS,
        config={},
        versions={},
    )
    save_checkpoint(path, model, about)


def by_torch(model: CharacterModel, data: CharacterDataset, positions: list[int]) -> Iterator[NDArray[np.float32]]:
    """The heads' losses [4] before each step over examples in this order, by PyTorch's own AdamW."""
    recipe = RECIPES["reference"]
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    for start in range(0, len(positions), recipe.batch_size):
        rows = np.array(positions[start : start + recipe.batch_size])
        optimizer.zero_grad()
        heads = losses_of(model, data, rows)
        (heads @ weights()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield heads.detach().numpy()


def losses_of(model: CharacterModel, data: CharacterDataset, rows: NDArray[np.intp]) -> torch.Tensor:
    outputs = model(torch.from_numpy(data.features[rows]))
    return head_losses(loss_terms(outputs, torch.from_numpy(data.labels[rows])))


def weights() -> torch.Tensor:
    return torch.tensor(list(RECIPES["reference"].head_weights.values()))


def test_the_first_losses_are_those_of_pytorch(
    burn: Any, job: Job, split: SplitFile, trained: Any, tmp_path: Path
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = CharacterModel(dropout=0.0)
        order = torch.randperm(len(split.train)).tolist()
    save_untrained(model, tmp_path / "first.safetensors")
    in_order = [split.train[position] for position in order]
    edited(split, job, train=in_order)
    told = burn("train", job.write(weights=str(tmp_path / "first.safetensors"), shuffle=False, dropout=0.0))
    steps = [line["step"] for line in told if "step" in line]
    assert [step["step"] for step in steps] == list(range(1, 48))

    ours = np.stack(list(by_torch(model, trained.data, in_order[: STEPS * RECIPES["reference"].batch_size])))
    heads = np.array([step["heads"] for step in steps[:STEPS]], dtype=np.float32)
    losses = np.array([step["loss"] for step in steps[:STEPS]], dtype=np.float32)
    assert len(ours) == STEPS
    assert np.ptp(losses) > 1, "the losses change too little for the comparison to mean anything"
    np.testing.assert_allclose(losses, ours @ weights().numpy(), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(heads, ours, rtol=TOLERANCE, atol=0)


def test_an_epoch_ends_in_a_checkpoint_that_exports_and_verifies(
    burn: Any, job: Job, split: SplitFile, trained: Any
) -> None:
    assert len(split.train) == 12_000
    *steps, last = burn("train", job.write())
    assert [line["step"]["step"] for line in steps] == list(range(1, 48))

    saved = job.output.read_bytes()
    assert [path.name for path in job.output.parent.iterdir()] == [job.output.name]
    made = load_checkpoint(job.output)
    with torch.no_grad():
        heads = losses_of(made.model, trained.data, np.array(split.validation))
    assert made.metadata.val_loss == pytest.approx(float(heads @ weights()), abs=TOLERANCE)
    assert list(made.metadata.head_losses) == list(HEADS)
    assert list(made.metadata.head_losses.values()) == pytest.approx(heads.tolist(), abs=TOLERANCE)
    assert last["epoch"]["loss"] == pytest.approx(made.metadata.val_loss)
    # An epoch of PyTorch by the same recipe, dropout included, ends at 2.58.
    assert made.metadata.val_loss < 2.7
    assert saved.count(b'\\"file_sha256\\":\\"') == 1
    job.output.write_bytes(saved[:-1] + bytes([saved[-1] ^ 1]))
    with pytest.raises(StorytellerError, match="damaged or changed since it was written"):
        load_checkpoint(job.output)
    job.output.write_bytes(saved)

    for command, *arguments in (
        (export_character_model, job.output, "--output", "models/character_predictor.onnx"),
        (verify_onnx, "models/character_predictor.onnx", "--checkpoint", job.output),
    ):
        done = CliRunner().invoke(command, [*map(str, arguments), "--data", str(trained.data.path)])
        assert done.exit_code == 0, done.output
    # By seed, fraction and hash of the checkpoint, the data is known to be its own.
    assert "3,000 of 15,000 examples, held out from the run" in " ".join(done.output.split())


def test_a_split_gives_the_same_training_again(burn: Any, job: Job, split: SplitFile) -> None:
    def losses(**values: Any) -> list[float]:
        return [line["step"]["loss"] for line in burn("train", job.write(**values)) if "step" in line]

    assert losses() == losses()
    assert losses(epochs=2)[47:] != losses()
    job.split.write_bytes(msgspec.json.encode(msgspec.structs.replace(split, seed=SEED + 1)))
    other = losses()
    job.split.write_bytes(msgspec.json.encode(split))
    assert other != losses()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "job.json: epochs must be 1 or more"),
        ({"dropout": 1.0}, "job.json: dropout must be from 0 to below 1"),
        ({"learning_rate": -1.0}, "job.json: learning_rate must be above 0"),
        ({"epoch": 1}, "job.json: unknown field `epoch`"),
        ({"weights": "nowhere.safetensors"}, "nowhere.safetensors: No such file"),
        ({"learning_rate": 1e30}, "epoch 1, step .*: the losses of the heads are"),
    ],
)
def test_a_wrong_job_is_a_message(burn: Any, job: Job, split: SplitFile, values: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        burn("train", job.write(**values))
    assert not job.output.exists()


def test_a_split_that_does_not_fit_its_data_is_a_message(burn: Any, job: Job, split: SplitFile, tmp_path: Path) -> None:
    edited(split, job, train=[15_000])
    with pytest.raises(EngineError, match=r"split\.json: names example 15000, but there are 15000"):
        burn("train", job.write())
    edited(split, job, validation=[])
    with pytest.raises(EngineError, match=r"split\.json: one side of the split is empty"):
        burn("train", job.write())
    edited(split, job, files=split.files * 2)
    with pytest.raises(EngineError, match=r"split\.json: divides 2 data files"):
        burn("train", job.write())
    [file] = split.files
    edited(split, job, files=(msgspec.structs.replace(file, hash="0" * 64),))
    with pytest.raises(EngineError, match=f"has SHA-256 {file.hash}, but .*split.json was written for {'0' * 64}"):
        burn("train", job.write())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"features": [0.0], "labels": []}', "line 3: features are 1 numbers, 453 are expected"),
        ("nonsense", "line 3: expected "),
    ],
)
def test_a_line_that_cannot_be_read_is_named(
    burn: Any, job: Job, split: SplitFile, tmp_path: Path, line: str, message: str
) -> None:
    data = tmp_path / "data.jsonl"
    sound = json.dumps({"features": [0.0] * 453, "labels": [0.0] * 42})
    data.write_text(f"{sound}\n\n{line}\n")
    [file] = split.files
    hashed = hashlib.sha256(data.read_bytes()).hexdigest()
    edited(split, job, files=(msgspec.structs.replace(file, path=str(data), hash=hashed),))
    with pytest.raises(EngineError, match=f"data.jsonl: {message}"):
        burn("train", job.write())
