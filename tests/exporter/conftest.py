"""One untrained checkpoint and one export of it for the whole session: exporting is what takes the time here.

Files are checked in the process of the tests, where a test does not ask for `own_process`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from in_process import stay_in_process
from storyteller_exporter.character.cases import random_features
from storyteller_exporter.export import character
from storyteller_exporter.export.character import export_character
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import PREDICTIONS
from storyteller_trainer.character.data.dataset import load_dataset
from storyteller_trainer.character.model.checkpoint import CheckpointMetadata, save_checkpoint
from storyteller_trainer.character.model.network import PARAMETERS, CharacterModel
from storyteller_trainer.character.training.run import train_character_model
from storyteller_trainer.commands.generate_training_data import main as generate_training_data
from storyteller_trainer.runs.run_files import BEST

# Networks so small gain nothing from more threads.
torch.set_num_threads(1)

#: Changes a graph in place.
Edit = Callable[[onnx.ModelProto], object]


def about_checkpoint(epoch: int = 3, schema_fingerprint: str | None = None) -> CheckpointMetadata:
    return CheckpointMetadata(
        schema_fingerprint=schema_fingerprint or fingerprint(),
        epoch=epoch,
        val_loss=1.6804,
        head_losses={},
        data_hash="d47a" * 16,
        parameters=PARAMETERS,
        config={},
        versions={"torch": "2.15.0"},
    )


@pytest.fixture
def own_process() -> None:
    """The files of this test are read and run in a process of their own, as a user's are."""


@pytest.fixture(autouse=True)
def in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of other tests are not; each of these processes would take longer than its test."""
    if "own_process" not in request.fixturenames:
        stay_in_process(monkeypatch)


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a run folder with random weights."""

    def make(seed: int = 0, epoch: int = 3, schema_fingerprint: str | None = None) -> Path:
        folder = tmp_path_factory.mktemp("run")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = CharacterModel()
        save_checkpoint(folder / BEST, model, about_checkpoint(epoch, schema_fingerprint))
        return folder

    return make


@pytest.fixture(scope="session")
def run(make_run: Callable[..., Path]) -> Path:
    """A run folder, shared: read only."""
    return make_run()


@pytest.fixture(scope="session")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float32 export of `run`, shared: read only."""
    target = tmp_path_factory.mktemp("models") / CHARACTER.file_name
    export_character(run, target)
    return target


@pytest.fixture
def traced(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's exporter, the slow step, is answered with the graph it gave for `run` before."""
    monkeypatch.setattr(character, "export_module", lambda *arguments: onnx.load(str(exported)))


@pytest.fixture(scope="session")
def exported_int8(run: Path, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 export of `run`, shared: read only."""
    target = tmp_path_factory.mktemp("models") / CHARACTER.file_name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(character, "export_module", lambda *arguments: onnx.load(str(exported)))
        export_character(run, target, int8=True, allow_unjudged=True)
    return target


@pytest.fixture(scope="session")
def exported_aligned(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of `run` with aligned thresholds, shared: read only."""
    target = tmp_path_factory.mktemp("models") / CHARACTER.file_name
    export_character(run, target, align_thresholds=True)
    return target


@pytest.fixture
def edited(exported: Path, tmp_path: Path) -> Callable[[Edit], Path]:
    """Writes a changed copy of the export, as it comes out of the change, valid or not."""

    def write(edit: Edit) -> Path:
        model = onnx.load(str(exported))
        edit(model)
        folder = tmp_path / "edited"
        folder.mkdir(exist_ok=True)
        path = folder / CHARACTER.file_name
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small training file with valid examples, shared: read only."""
    rng = np.random.default_rng(7)
    path = tmp_path_factory.mktemp("data") / "character.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index, features in enumerate(random_features(40, rng)):
            labels = np.zeros(PREDICTIONS.size, dtype=np.float32)
            for field in ("action.type", "action.context", "speech.register", "thought.awareness"):
                span = PREDICTIONS.span(field)
                labels[rng.integers(span.start, span.stop)] = 1.0
            labels[PREDICTIONS.span("speech.occurs")] = index % 2
            cell = {"archetype_a": "a", "archetype_b": "b", "dynamic": "d", "profile": "p", "genre": "g"}
            record = {
                "id": str(index),
                "cell": cell | {"a_is_role_a": True},
                "variation": index,
                "features": features.tolist(),
                "labels": labels.tolist(),
            }
            file.write(json.dumps(record) + "\n")
    return path


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 generated examples of 40 cells, shared: read only."""
    path = tmp_path_factory.mktemp("sample") / "character.jsonl"
    options = ["--cells", "40", "--examples", "400", "--seed", "5", "--output", str(path)]
    generate_training_data.main(options, standalone_mode=False)
    return path


@pytest.fixture(scope="session")
def trained(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve epochs on `sample`, half of whose cells it held out; shared: read only.

    Of 200 examples eight bits may change the answer to two. They change one now and then.
    """
    folder = tmp_path_factory.mktemp("trained")
    options = {"epochs": 12, "batch_size": 32, "val_fraction": 0.5}
    train_character_model(load_dataset(sample, None), folder, torch.device("cpu"), options=options)
    return folder


@pytest.fixture(scope="session")
def make_event_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a run folder of the event pipeline, with a tiny encoder and random weights, into a folder of runs."""
    from storyteller_trainer.events.data.split import HELD_OUT
    from storyteller_trainer.events.data.strategy import Strategy
    from storyteller_trainer.events.model.checkpoint import EventMetadata, save_encoder, save_weights, tokenizer_hash
    from storyteller_trainer.events.model.classifiers import Task, build_model
    from storyteller_trainer.events.model.encoders import Encoder, load_encoder
    from storyteller_trainer.events.model.tokenizer import read_tokenizer
    from tiny_encoders import save_tiny_encoder

    encoders: dict[str, Path] = {}

    def make(
        runs: Path,
        task: str,
        family: str = "bert",
        raw_tokenizer: bool = False,
        held_out: Path | None = None,
        thresholds: dict[str, float] | None = None,
    ) -> Path:
        if family not in encoders:
            encoders[family] = save_tiny_encoder(tmp_path_factory.mktemp(family), family)
        encoder = load_encoder(str(encoders[family]))
        if raw_tokenizer:
            encoder = Encoder(family, encoder.model, read_tokenizer(encoders[family] / "tokenizer.json"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = build_model(Task(task), encoder.model)
            for parameter in model.parameters():  # the usual small weights would leave every logit near zero
                parameter.data += torch.randn_like(parameter) * 0.1
        save_encoder(runs / task, encoder)
        about = EventMetadata(
            task=Task(task),
            encoder=family,
            family=encoder.family,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            epoch=2,
            validation={"macro_f1": 0.5},
            thresholds=thresholds or {},
            data_hash="e7e7" * 16,
            seed=0,
            split=Strategy.RANDOM,
            tokenizer_hash=tokenizer_hash(encoder.tokenizer),
            held_out={} if held_out is None else {"random": hashlib.sha256(held_out.read_bytes()).hexdigest()},
        )
        if held_out is not None:
            (runs / task / HELD_OUT["random"]).write_bytes(held_out.read_bytes())
        save_weights(runs / task / BEST, model, about)
        return runs / task

    return make


@pytest.fixture(scope="session")
def event_runs(make_event_run: Callable[..., Path], event_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs `event` and `ner` with one encoder, which held out the sentences of `event_data`; shared: read only."""
    runs = tmp_path_factory.mktemp("events")
    make_event_run(runs, "event", held_out=event_data)
    make_event_run(runs, "ner", held_out=event_data)
    return runs


@pytest.fixture(scope="session")
def event_folder(event_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of `event_runs`, shared: read only."""
    from storyteller_exporter.export.events import export_events

    folder = tmp_path_factory.mktemp("models") / "event_classifier"
    export_events(event_runs, folder)
    return folder


@pytest.fixture(scope="session")
def joint_export(
    make_event_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Path]]:
    """The runs and the export of a joint model with an encoder of a family, made once; read only."""

    from storyteller_exporter.export.events import export_events

    @cache
    def export(family: str) -> tuple[Path, Path]:
        runs, folder = tmp_path_factory.mktemp("joint-runs"), tmp_path_factory.mktemp("joint-models")
        make_event_run(runs, "joint", family)
        export_events(runs, folder, joint=True)
        return runs, folder

    return export


# --- what is written ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def event_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few sentences with their events and entities, shared: read only."""
    texts = [("I pick up the rusty sword.", "the rusty sword"), ("Zoë walked to the old mill.", "the old mill")]
    path = tmp_path_factory.mktemp("data") / "events.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index, (text, entity) in enumerate(texts * 6):
            start = len(text[: text.index(entity)].encode())
            place = {"start": start, "end": start + len(entity.encode()), "text": entity}
            record = {
                "id": str(index),
                "text": text,
                "register": "player",
                "event_kinds": ["ActionOccurrence"],
                "entities": [place | {"category": "OBJECT", "role": "Target"}],
            }
            file.write(json.dumps(record) + "\n")
    return path


@pytest.fixture
def work(exported: Path, run: Path, data: Path, event_folder: Path, event_runs: Path, event_data: Path) -> None:
    """What commands work on, copied to where the test runs."""
    shutil.copy(exported, "model.onnx")
    shutil.copy(data, "rows.jsonl")
    shutil.copy(event_data, "sentences.jsonl")
    shutil.copytree(run, "run")
    shutil.copytree(event_runs, "runs")
    shutil.copytree(event_folder, Path("models", "event_classifier"))
    Path("story.txt").write_text("I pick up the rusty sword. Mara walked to the old mill.\n")
