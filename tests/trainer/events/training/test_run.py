"""Runs on disk: their files, resuming after any stop, and what happens when a loss is no number."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from storyteller_schema.common.errors import StorytellerError
from storyteller_trainer.events.data.convention import SpanConvention, convention
from storyteller_trainer.events.data.dataset import EventDataset, load_events
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.split import HELD_OUT, split
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.model import checkpoint
from storyteller_trainer.events.model.checkpoint import load_event_checkpoint
from storyteller_trainer.events.model.classifiers import Task, named_logits
from storyteller_trainer.events.training import train
from storyteller_trainer.events.training.run import Request, train_classifier
from storyteller_trainer.events.training.run_folder import EventRow, RunState
from storyteller_trainer.events.training.summary import RunSummary, closing_lines, summary_tables
from storyteller_trainer.events.training.train import NonFiniteError
from storyteller_trainer.runs.loop import Interrupted
from storyteller_trainer.runs.tensor_file import read_tensors, save_tensors
from storyteller_trainer.sample.events.generate import write_examples
from torch import Tensor, nn

CPU = torch.device("cpu")
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 16, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def dataset(data_file: Path) -> EventDataset:
    return load_events(data_file)


@pytest.fixture
def request_for(tiny_bert: str, tmp_path: Path) -> Callable[..., Request]:
    def make(task: Task = Task.EVENT, **changes: Any) -> Request:
        values: dict[str, Any] = {"folder": tmp_path / "run", "encoder": tiny_bert, "options": OPTIONS}
        return Request(task=task, **(values | changes))

    return make


RequestFor = Callable[..., Request]


def weights(folder: Path, name: str = "best") -> dict[str, Tensor]:
    return load_file(folder / f"{name}.safetensors")


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("task", list(Task))
def test_a_run_leaves_everything_about_it(task: Task, dataset: EventDataset, request_for: RequestFor) -> None:
    request = request_for(task)
    summary = train_classifier(dataset, request, CPU)
    assert {path.name for path in request.folder.iterdir()} == {
        *HELD_OUT.values(),
        *("best.safetensors", "last.safetensors", "config.json", "tokenizer.json", "history.jsonl", "run.json"),
    }
    assert msgspec.json.decode((request.folder / "run.json").read_bytes(), type=RunSummary) == summary
    history = [json.loads(line) for line in (request.folder / "history.jsonl").read_bytes().splitlines()]
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[summary.best_epoch - 1]["score"] == max(row["score"] for row in history)
    assert sum(summary.data.examples.values()) == len(dataset.examples)
    # The score of the best epoch comes out again when its weights are read back from the disk.
    assert summary.scores["validation"].summary() == history[summary.best_epoch - 1]["scores"]
    assert (summary.scores["random"].events is not None) == task.finds_events
    assert (summary.scores["skeletons"].entities is not None) == task.finds_entities


def test_what_partial_data_leaves_out_is_told(
    examples: list[EventExample], request_for: RequestFor, tmp_path: Path
) -> None:
    """In every fourth sentence nobody looked for anything."""
    bare: dict[str, Any] = {"event_kinds": [], "action_type": None, "kinds_annotated": False, "categories": []}
    partial = [
        msgspec.structs.replace(one, **bare, entities=[]) if row % 4 == 0 else one for row, one in enumerate(examples)
    ]
    write_examples(tmp_path / "partial.jsonl", partial)
    request = request_for(options=OPTIONS | {"epochs": 1})
    told = train_classifier(load_events(tmp_path / "partial.jsonl"), request, CPU).data
    left_out = [found for line in told.notices if (found := re.match(r"(\w+): (\d+) sentences are left out", line))]
    assert sum(int(found[2]) for found in left_out) == len(examples) / 4
    assert "train" in [found[1] for found in left_out]


def test_the_history_tells_rates_and_losses(dataset: EventDataset, request_for: RequestFor) -> None:
    request = request_for(Task.JOINT, options=OPTIONS | {"ner_weight": 0.25})
    recipe = train_classifier(dataset, request, CPU).recipe
    lines = (request.folder / "history.jsonl").read_bytes().splitlines()
    rows = [msgspec.json.decode(line, type=EventRow) for line in lines]
    steps = _steps(dataset)
    assert [row.learning_rate for row in rows] == [recipe.learning_rate_at(n * steps, 3 * steps) for n in (1, 2, 3)]
    for losses in (*(row.train for row in rows), *(row.validation for row in rows)):
        assert losses.total == pytest.approx(losses.heads["event"] + 0.25 * losses.heads["ner"])
    assert rows[0].scores.keys() == {"macro_f1", "micro_f1", "entity_f1"}


def test_the_run_of_an_earlier_version_goes_on(
    dataset: EventDataset, request_for: RequestFor, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_epoch_is_better(monkeypatch)
    request = request_for(Task.NER)
    honest = train.Trainer.run_epoch

    def interrupted(self: train.Trainer, after_step: Callable[[int, int], None]) -> train.Epoch:
        if self.train_state.epoch == 1:
            raise KeyboardInterrupt
        return honest(self, after_step)

    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "run_epoch", interrupted)
        with pytest.raises(Interrupted):
            train_classifier(dataset, request, CPU)
    # What such a version left: no evaluation in the state, other keys in the history, and no summary.
    last = request.folder / "last.safetensors"
    tensors, saved = read_tensors(last, RunState)
    state = msgspec.to_builtins(saved)
    before = {key: value for key, value in state["course"]["history"][0].items() if key != "evaluation"}
    assert before.keys() == {"number", "train_loss", "validation_loss", "validation", "score"}
    state["course"]["history"] = [before]
    save_tensors(last, tensors, msgspec.convert(state, RunState))
    (request.folder / "history.jsonl").write_bytes(msgspec.json.encode(before) + b"\n")
    (request.folder / "run.json").unlink()
    train_classifier(dataset, request_for(Task.NER, resume=True, encoder=None, options={}), CPU)
    assert (request.folder / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()
    assert same(weights(request.folder), weights(whole))


def test_a_run_from_before_letters_and_marks_were_composed_keeps_its_tokenizer(
    dataset: EventDataset, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("storyteller_trainer.events.model.encoders.composed", lambda tokenizer: tokenizer)
        train_classifier(dataset, request_for(Task.NER, options=OPTIONS | {"epochs": 1}), CPU)
    file = request_for(Task.NER).folder / "tokenizer.json"
    before = file.read_bytes()
    train_classifier(dataset, request_for(Task.NER, resume=True, encoder=None, options={}), CPU)
    assert file.read_bytes() == before
    train_classifier(dataset, request_for(Task.NER, options=OPTIONS | {"epochs": 1}), CPU)
    assert file.read_bytes() != before


def test_the_held_out_files_are_the_held_out_parts(dataset: EventDataset, request_for: RequestFor) -> None:
    request = request_for(options=OPTIONS | {"epochs": 1})
    train_classifier(dataset, request, CPU)
    parts = split(dataset.examples, Strategy.RANDOM, seed=42)
    for part, name in HELD_OUT.items():
        assert load_events(request.folder / name).examples == getattr(parts, part)


def test_a_checkpoint_says_what_it_is_and_gives_the_same_logits(
    dataset: EventDataset, request_for: RequestFor, tiny_bert: str
) -> None:
    request = request_for(Task.JOINT)
    train_classifier(dataset, request, CPU)
    found = load_event_checkpoint(request.folder)
    assert found.metadata.spans is SpanConvention.INSIDE
    assert bool(found.metadata.thresholds) == found.metadata.task.finds_events
    assert found.metadata.determiner_share == convention(dataset.examples).share > 0.4
    assert found.metadata.file_hashes == (found.metadata.data_hash,)
    assert not found.model.training
    assert found.metadata.task is Task.JOINT
    assert found.metadata.encoder == tiny_bert
    assert found.metadata.family == "bert"
    assert found.metadata.data_hash == dataset.content_hash
    assert found.metadata.parameters == sum(p.numel() for p in found.model.parameters())
    assert found.metadata.validation.keys() == {"macro_f1", "micro_f1", "entity_f1"}
    assert same(found.model.state_dict(), weights(request.folder))
    ids = found.tokenizer.encode("Mara walked to the mill.").ids
    logits = named_logits(found.model, torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))
    assert logits["ner"].shape == (1, len(ids), 15)


def every_epoch_is_better(patch: pytest.MonkeyPatch) -> None:
    """Lets every epoch be better than the one before, so that a run writes all its files after each."""
    patch.setattr(train.Epoch, "rank", property(lambda epoch: (epoch.number, 0.0)))


@pytest.fixture(scope="module")
def whole(dataset: EventDataset, tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        every_epoch_is_better(patch)
        train_classifier(dataset, Request(task=Task.NER, folder=folder, encoder=tiny_bert, options=OPTIONS), CPU)
    return folder


@pytest.fixture
def false_mps(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """A device that calls itself MPS and is the CPU: what is moved to it stays where it is."""
    device = torch.device("mps")
    for kind in (Tensor, nn.Module):
        honest = kind.to

        def to(self: Any, *args: Any, _honest: Callable[..., Any] = honest, **options: Any) -> Any:
            return self if device in args else _honest(self, *args, **options)

        monkeypatch.setattr(kind, "to", to)
    return device


def _steps(dataset: EventDataset) -> int:
    """Of one epoch."""
    batch_size: int = OPTIONS["batch_size"]
    return math.ceil(len(split(dataset.examples, Strategy.RANDOM, 42).train) / batch_size)


def test_a_bad_loss_is_told_with_what_is_kept_and_what_to_do(
    dataset: EventDataset,
    request_for: RequestFor,
    false_mps: torch.device,
    poison: Callable[[int], None],
    tiny_folders: dict[str, Path],
) -> None:
    request = request_for(encoder=str(tiny_folders["deberta-v2"]))
    poison(_steps(dataset) + 2)
    with pytest.raises(NonFiniteError) as caught:
        train_classifier(dataset, request, false_mps)
    told = str(caught.value)
    assert "task event, epoch 2, step 2, on mps: the event loss is nan; the step was not taken" in told
    assert f"{request.folder / 'last.safetensors'} holds the state after epoch 1" in told
    assert f"{request.folder / 'best.safetensors'} the best checkpoint, of epoch 1" in told
    assert "DeBERTa is known to give NaN when trained on MPS" in told
    assert "--resume --device cpu" in told
    assert load_event_checkpoint(request.folder).metadata.epoch == 1


@pytest.mark.parametrize("deviation", [0.5, math.nan])
def test_a_device_that_computes_something_else_is_told(
    deviation: float,
    dataset: EventDataset,
    request_for: RequestFor,
    false_mps: torch.device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train.Trainer, "deviation_from_cpu", lambda self: deviation)
    said: list[str] = []
    train_classifier(dataset, request_for(options=OPTIONS | {"epochs": 1}), false_mps, said.append)
    (told,) = (line for line in said if "logits" in line)
    assert f"logits on mps differ from the CPU's by {deviation:.2g}" in told
    assert "--device cpu is safe" in told


def test_on_nan_cpu_goes_on_from_the_last_good_epoch(
    dataset: EventDataset, request_for: RequestFor, false_mps: torch.device, poison: Callable[[int], None]
) -> None:
    poison(_steps(dataset) + 2)
    said: list[str] = []
    request = request_for(cpu_on_nan=True)
    summary = train_classifier(dataset, request, false_mps, said.append)
    begun = next(index for index, line in enumerate(said) if "on mps: the event loss is nan" in line)
    assert said[begun + 1] == "Continuing on the CPU, as --on-nan cpu asks"
    assert said[begun + 2].startswith("Computing by ")
    assert f"Going on with {request.folder} after epoch 1" in said[begun + 3 :]
    assert (summary.device, summary.epochs) == ("cpu", 3)


def test_on_nan_cpu_does_not_go_round_in_circles(
    dataset: EventDataset, request_for: RequestFor, poison: Callable[[int], None]
) -> None:
    poison(1)
    with pytest.raises(NonFiniteError, match=r"on cpu: the event loss is nan.*Lower --lr"):
        train_classifier(dataset, request_for(cpu_on_nan=True), CPU)


def test_a_resumed_run_keeps_its_settings(
    dataset: EventDataset, request_for: RequestFor, tiny_folders: dict[str, Path], data_file: Path
) -> None:
    request = request_for()
    train_classifier(dataset, request, CPU)
    other = str(tiny_folders["distilbert"])
    for changes, told in (
        ({"options": {"learning_rate": 1e-5}}, "learning_rate 0.003 -> 1e-05"),
        ({"options": {"epochs": 4}}, "epochs 3 -> 4"),
        ({"encoder": other, "options": {}}, f"encoder .* -> {other}"),
        ({"task": Task.JOINT, "options": {}}, "task event -> joint"),
    ):
        with pytest.raises(StorytellerError, match=f"a resumed run keeps its settings, but these differ: .*{told}"):
            train_classifier(dataset, request_for(**{"resume": True} | changes), CPU)
    changed = EventDataset((data_file,), dataset.examples, "0" * 64)
    with pytest.raises(StorytellerError, match="SHA-256 of the data"):
        train_classifier(changed, request_for(resume=True, options={}), CPU)


def test_an_earlier_model_stays_until_the_first_epoch_is_done(
    dataset: EventDataset, request_for: RequestFor, tiny_folders: dict[str, Path], poison: Callable[[int], None]
) -> None:
    request = request_for(options=OPTIONS | {"epochs": 1})
    train_classifier(dataset, request, CPU)
    before = weights(request.folder)
    held_out = [(request.folder / name).read_bytes() for name in HELD_OUT.values()]
    poison(1)
    other = request_for(encoder=str(tiny_folders["modernbert"]), options=OPTIONS | {"seed": 1})
    with pytest.raises(NonFiniteError):
        train_classifier(dataset, other, CPU)
    assert same(load_event_checkpoint(request.folder).model.state_dict(), before)
    # A model must never be scored on what another run held out.
    assert [(request.folder / name).read_bytes() for name in HELD_OUT.values()] == held_out


def test_files_that_do_not_belong_together_are_refused(
    dataset: EventDataset, request_for: RequestFor, tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(options=OPTIONS | {"epochs": 1})
    with pytest.raises(StorytellerError, match=r"best\.safetensors: no such checkpoint file"):
        load_event_checkpoint(request.folder)
    train_classifier(dataset, request, CPU)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "event_fingerprint", lambda: "another")
        with pytest.raises(StorytellerError, match=r"trained for the event contract [0-9a-f]{64}, and this is another"):
            load_event_checkpoint(request.folder)
    config = request.folder / "config.json"
    right = config.read_bytes()
    config.write_bytes((tiny_folders["distilbert"] / "config.json").read_bytes())
    with pytest.raises(StorytellerError, match=r"its weights do not fit config\.json"):
        load_event_checkpoint(request.folder)
    config.write_bytes(right)
    (request.folder / "tokenizer.json").write_bytes((tiny_folders["distilbert"] / "tokenizer.json").read_bytes())
    with pytest.raises(StorytellerError, match=r"not the tokenizer that best\.safetensors was trained with"):
        load_event_checkpoint(request.folder)
    (request.folder / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(StorytellerError, match=r"not a tokenizer\.json"):
        load_event_checkpoint(request.folder)
    (request.folder / "tokenizer.json").unlink()
    with pytest.raises(StorytellerError, match=r"tokenizer\.json: no such file"):
        load_event_checkpoint(request.folder)


def test_the_state_holds_no_pickle(dataset: EventDataset, request_for: RequestFor) -> None:
    request = request_for(options=OPTIONS | {"epochs": 1})
    train_classifier(dataset, request, CPU)
    with safe_open(request.folder / "last.safetensors", framework="pt") as file:
        names = set(file.keys())
    assert {"model.event_head.weight", "optimizer.event_head.weight/exp_avg"} <= names


def test_the_summary_reads_well(dataset: EventDataset, request_for: RequestFor) -> None:
    request = request_for(Task.JOINT, options=OPTIONS | {"epochs": 1})
    summary = train_classifier(dataset, request, CPU)
    (table,) = summary_tables(summary)
    labels = list(table.columns[0].cells)
    assert labels[:3] == ["macro F1", "micro F1", "entity F1"]
    assert "F1 SpeechAct" in labels
    assert "F1 CHARACTER" in labels
    assert len(labels) == 3 + 8 + 7
    assert closing_lines(summary, request.folder)[-1] == f"best checkpoint: {request.folder / 'best.safetensors'}"
