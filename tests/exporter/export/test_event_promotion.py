"""Event models compared on held-out sentences, promoted and brought back; what an export says before it replaces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner, Result
from onnx import numpy_helper
from storyteller_exporter.commands.compare_models import main as compare_command
from storyteller_exporter.commands.export_event_classifier import main as export_command
from storyteller_exporter.commands.promote_model import main as promote_command
from storyteller_exporter.evaluate.classifier_evaluation import score
from storyteller_exporter.evaluate.event_model import EventModel, open_event_model
from storyteller_exporter.evaluate.sets import EvaluationSet
from storyteller_exporter.export.event_promotion import FILES, EventCandidate, concerns
from storyteller_exporter.export.events import export_events
from storyteller_exporter.export.promotion import Promotion, promote, rollback
from storyteller_exporter.report.event_comparison import compare_event_models, differences
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EntityRole
from storyteller_trainer.events.data.dataset import load_events
from storyteller_trainer.events.data.example import Entity, EventExample
from storyteller_trainer.events.data.skeleton import text_key
from storyteller_trainer.events.data.split import HELD_OUT
from storyteller_trainer.events.model.classifiers import Task
from storyteller_trainer.events.training.run import Request, train_classifier
from storyteller_trainer.reading.jsonl import sha256
from storyteller_trainer.runs.device import choose_device
from storyteller_trainer.sample.events.generate import generate, write_examples
from tiny_encoders import save_tiny_encoder

NAMES = FILES["event_classifier"]
TOKENIZER = "tokenizer.json"


@pytest.fixture(scope="session")
def own_labels(make_event_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[EventExample]:
    """Sentences annotated with what the models of `good_runs` read from them, so that these are right everywhere."""
    runs = tmp_path_factory.mktemp("labelling")
    for task in ("event", "ner"):
        make_event_run(runs, task)
    texts = [msgspec.structs.replace(one, entities=[]) for one in generate(per_kind=16, seed=1).examples]
    found = open_event_model(runs).run(EvaluationSet("texts", "", texts))
    labelled = []
    for example, read in zip(texts, found.predictions, strict=True):
        source = example.text.encode()
        entities = [
            Entity(
                start=span.start,
                end=span.end,
                text=source[span.start : span.end].decode(),
                category=span.category,
                role=EntityRole.SUBJECT,
            )
            for span in read.spans
        ]
        if read.kinds and entities:
            kinds = list(read.kinds)
            labelled.append(
                msgspec.structs.replace(example, event_kinds=kinds, action_type=None, entities=entities, template=None)
            )
    assert len(labelled) > 60
    return labelled


@pytest.fixture(scope="session")
def sentences(own_labels: list[EventExample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "events.jsonl"
    write_examples(path, own_labels)
    return path


@pytest.fixture(scope="session")
def make_runs(
    make_event_run: Callable[..., Path], own_labels: list[EventExample], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Writes runs that say that they held these sentences out, as two sets."""
    half = len(own_labels) // 2
    folder = tmp_path_factory.mktemp("held_out")
    write_examples(folder / "random.jsonl", own_labels[:half])
    write_examples(folder / "skeletons.jsonl", own_labels[half:])

    def make(*tasks: str, family: str = "bert") -> Path:
        runs = tmp_path_factory.mktemp("runs")
        for task in tasks:
            run = make_event_run(runs, task, family=family, held_out=folder / "random.jsonl")
            shutil.copy(folder / "skeletons.jsonl", run / HELD_OUT["skeletons"])
            (run / "run.json").write_text(json.dumps({"finished": True, "task": task, "epochs": 2}))
            losses = {"total": 1.5, "heads": {task: 1.5}}
            row = {"epoch": 1, "learning_rate": 1e-4, "train": losses, "validation": losses, "scores": {}}
            (run / "history.jsonl").write_text(json.dumps(row) + "\n")
        return runs

    return make


@pytest.fixture(scope="session")
def good_runs(make_runs: Callable[..., Path]) -> Path:
    """Runs of both tasks that are right everywhere, shared: read only."""
    return make_runs("event", "ner")


@pytest.fixture(scope="session")
def good_files(good_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their export, shared: read only."""
    folder = tmp_path_factory.mktemp("files") / "event_classifier"
    export_events(good_runs, folder)
    return folder


@pytest.fixture(scope="session")
def bad_files(good_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same files with noise in their weights, shared: read only."""
    folder = shutil.copytree(good_files, tmp_path_factory.mktemp("bad") / "event_classifier")
    rng = np.random.default_rng(0)
    for name in NAMES:
        if name == TOKENIZER:
            continue
        model = onnx.load(str(folder / name))
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.ndim == 2 and values.dtype == np.float32:
                noisy = (values + rng.normal(0, 1, values.shape)).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(noisy, tensor.name))
        (folder / name).write_bytes(model.SerializeToString())
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The engine's folder, empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def promoted(place: Path, models: Path, checkpoint: Path | None = None, data: Path | None = None) -> Promotion:
    return promote(EventCandidate(place, models, checkpoint=checkpoint, data=data))


def run_command(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))  # type: ignore[arg-type]


def digests(folder: Path, names: Sequence[str] = NAMES) -> dict[str, str]:
    return {name: sha256(folder / name) for name in names}


# --- compared ----------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_an_evaluation(good_runs: Path, bad_files: Path, sentences: Path) -> None:
    """Both halves of a difference against the scores that `evaluate-classifier` gives."""
    data = EvaluationSet("all", str(sentences), load_events(sentences).examples)
    runs = [model.run(data) for model in (open_event_model(bad_files), open_event_model(good_runs))]
    texts = [text_key(example.text) for example in data.examples]
    figures = {one.name: one for one in differences(runs[:1], runs[1:], texts, ["event", "ner"])}
    assert figures["mean F1"].second == 1
    for one, side in zip(map(score, runs), ("first", "second"), strict=True):
        assert getattr(figures["macro F1 of kinds"], side) == pytest.approx(one.events.macro.f1)
        assert getattr(figures["F1 of entities"], side) == pytest.approx(one.entities.micro.f1)
        assert getattr(figures["mean F1"], side) == pytest.approx((one.events.macro.f1 + one.entities.micro.f1) / 2)
        for label in ("SpeechAct", "CHARACTER"):
            found = one.events.classes.get(label) or one.entities.classes[label]
            assert getattr(figures[label], side) == pytest.approx(found.f1)


def test_runs_and_their_files_show_no_difference_on_what_was_held_out(
    good_runs: Path, good_files: Path, sentences: Path
) -> None:
    found = compare_event_models(open_event_model(good_files), open_event_model(good_runs))
    assert found.outcome == "no difference shown"
    assert found.deciding.name == "mean F1"
    assert found.deciding.difference == pytest.approx(0, abs=1e-9)
    assert found.examples == len(load_events(sentences).examples)
    assert found.deciding.first == 1
    names = [one.name for one in found.figures]
    assert {"macro F1 of kinds, unseen skeletons", "F1 of entities, held-out random"} <= set(names)


def test_a_spoiled_model_is_worse_and_the_other_way_round_better(good_runs: Path, bad_files: Path) -> None:
    good, bad = open_event_model(good_runs), open_event_model(bad_files)
    forth, back = compare_event_models(good, bad), compare_event_models(bad, good)
    assert (forth.outcome, back.outcome) == ("worse", "better")
    assert forth.deciding.worst_case == pytest.approx(-forth.deciding.low)
    assert forth.deciding.low == pytest.approx(-back.deciding.high)


def held_out_texts(model: EventModel) -> set[str]:
    folder = model.sources[0].folder
    assert folder is not None
    return {text_key(example.text) for name in HELD_OUT.values() for example in load_events(folder / name).examples}


def test_only_sentences_count_that_neither_was_trained_on(tmp_path: Path) -> None:
    """Two trainings on one file that divide it by other seeds."""
    encoder, data = save_tiny_encoder(tmp_path / "encoder", "bert"), tmp_path / "events.jsonl"
    write_examples(data, generate(per_kind=12, seed=1).examples)
    for name, seed in (("one", 1), ("other", 7)):
        options = {"epochs": 1, "batch_size": 16, "seed": seed}
        request = Request(task=Task.EVENT, folder=Path(name), encoder=str(encoder), options=options, threads=1)
        train_classifier(load_events(data), request, choose_device("cpu"))
    one, other = open_event_model(Path("one")), open_event_model(Path("other"))
    found = compare_event_models(one, other)
    common = held_out_texts(one) & held_out_texts(other)
    assert found.units == len(common) > 0
    assert found.deciding.name == "macro F1 of kinds"
    assert all("entities" not in each.name for each in found.figures)
    # The file that both were trained on gives the same sentences.
    assert compare_event_models(one, other, data).units == len(common)


def test_what_is_not_known_of_a_model_is_told(good_runs: Path, good_files: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(good_files, tmp_path / "silent")
    for name in NAMES:
        if name != TOKENIZER:
            model = onnx.load(str(folder / name))
            model.ClearField("metadata_props")
            (folder / name).write_bytes(model.SerializeToString())
    found = compare_event_models(open_event_model(good_runs), open_event_model(folder))
    assert any("does not say what it was trained on" in notice for notice in found.notices)


def test_without_a_run_at_hand_a_comparison_asks_for_data(good_files: Path, bad_files: Path, sentences: Path) -> None:
    result = run_command(compare_command, good_files, bad_files)
    assert result.exit_code == 1
    assert "no run is at hand" in result.stderr
    assert "--data" in result.stderr
    result = run_command(compare_command, good_files, bad_files, "--data", sentences)
    assert result.exit_code == 0, result.output
    assert "the second is worse: mean F1" in result.stdout


def test_the_run_of_a_file_is_found_by_what_the_file_says(good_runs: Path, good_files: Path, bad_files: Path) -> None:
    shutil.copytree(good_runs, "artifacts/runs/20260131-235958-events")
    result = run_command(compare_command, good_files, bad_files, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["outcome"] == "worse"
    assert "artifacts/runs/20260131-235958-events/event/held_out_random.jsonl" in printed["source"]


def test_a_comparison_has_a_page_and_a_summary(good_runs: Path, bad_files: Path, tmp_path: Path) -> None:
    result = run_command(
        compare_command, bad_files, good_runs, "-o", tmp_path / "two.html", "--markdown", tmp_path / "two.md"
    )
    assert result.exit_code == 0, result.output
    assert "the second is better: mean F1" in result.stdout
    page = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert "Weighted validation loss: event" in page
    assert "different sentences" in page
    assert "| macro F1 of kinds |" in (tmp_path / "two.md").read_text(encoding="utf-8")


def test_models_of_different_kinds_are_not_compared(good_runs: Path, run: Path) -> None:
    result = run_command(compare_command, good_runs, run)
    assert result.exit_code == 2
    assert "are models of different kinds" in result.stderr


# --- promoted ----------------------------------------------------------------------------------------------------


def test_into_an_empty_folder_both_runs_are_promoted_with_a_manifest(good_runs: Path, models: Path) -> None:
    found = promoted(good_runs, models)
    folder = models / "event_classifier"
    assert found.promoted, found.reasons
    assert found.comparison is None
    assert found.files == digests(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {*NAMES, "verification.json", "MODEL_CARD.md"}
    assert all(sha256(folder / name) == digest for name, digest in manifest["files"].items())
    assert {path.name for path in folder.iterdir()} == {*manifest["files"], "manifest.json"}
    card = (folder / "MODEL_CARD.md").read_text()
    assert "event_classifier.onnx" in card
    assert "ner_classifier.onnx" in card


def test_better_ones_replace_worse_ones_which_are_kept_and_come_back(
    good_files: Path, bad_files: Path, good_runs: Path, models: Path
) -> None:
    folder = shutil.copytree(bad_files, models / "event_classifier")
    before = digests(folder)
    found = promoted(good_files, models, checkpoint=good_runs)
    assert found.promoted, found.reasons
    assert found.comparison is not None
    assert found.comparison.outcome == "better"
    assert digests(folder) == digests(good_files) == found.files
    assert found.previous_files == before == digests(folder / "previous")
    result = run_command(promote_command, "--rollback", "--events", "--models", models)
    assert result.exit_code == 0, result.output
    assert digests(folder) == before
    assert digests(folder / "previous") == digests(good_files)
    # And forth again.
    assert rollback(folder, NAMES).files == digests(good_files)


def test_worse_ones_change_nothing(good_files: Path, bad_files: Path, good_runs: Path, models: Path) -> None:
    folder = shutil.copytree(good_files, models / "event_classifier")
    result = run_command(promote_command, bad_files, "--checkpoint", good_runs, "--models", models)
    assert result.exit_code == 1, result.output
    assert "NOT promoted" in result.stdout
    assert "it may be worse than what it would replace: the mean F1 differs by -" in result.stdout
    assert digests(folder) == digests(good_files)
    assert not (folder / "manifest.json").exists()


def test_the_same_models_again_are_within_the_margin(good_runs: Path, good_files: Path, models: Path) -> None:
    shutil.copytree(good_files, models / "event_classifier")
    found = promoted(good_files, models, checkpoint=good_runs)
    assert found.promoted, found.reasons
    assert "within the margin of 0.01" in found.reasons[0]


def test_an_unfinished_run_is_not_promoted_and_export_warns_of_it(
    good_files: Path, good_runs: Path, models: Path, tmp_path: Path
) -> None:
    runs = shutil.copytree(good_runs, tmp_path / "runs")
    told = json.loads((runs / "ner" / "run.json").read_text())
    (runs / "ner" / "run.json").write_text(json.dumps(told | {"finished": False}))
    found = promoted(good_files, models, checkpoint=runs)
    assert not found.promoted
    assert f"{runs}/ner is not finished" in found.reasons[0]
    result = run_command(export_command, runs, "--models", models)
    assert result.exit_code == 0, result.output
    assert f"Warning: the run {runs}/ner is not finished" in result.stderr


def test_export_warns_before_it_replaces_better_files(
    good_files: Path, good_runs: Path, make_runs: Callable[..., Path], models: Path
) -> None:
    folder = shutil.copytree(good_files, models / "event_classifier")
    worse = make_runs("event", "ner", family="distilbert")
    assert "is worse than" in concerns(worse, folder, None, joint=False)[0]
    assert concerns(good_runs, folder, None, joint=False) == []
    result = run_command(export_command, worse, "--models", models)
    assert result.exit_code == 0, result.output
    assert "Warning: this run is worse than" in result.stderr


def test_one_of_the_two_is_nothing_that_the_engine_loads(good_runs: Path, models: Path) -> None:
    result = run_command(promote_command, good_runs / "event", "--models", models)
    assert result.exit_code == 2
    assert "the engine loads both" in result.stderr


def test_a_joint_run_has_a_folder_of_its_own(make_runs: Callable[..., Path], models: Path) -> None:
    runs = make_runs("joint")
    assert promoted(runs / "joint", models).promoted
    files = shutil.copytree(models / "joint_classifier", "joint files")
    found = promoted(Path(files), models, checkpoint=runs)
    assert found.promoted, found.reasons
    assert set(found.files) == set(FILES["joint_classifier"])
    assert (models / "joint_classifier" / "previous" / "manifest.json").is_file()


def test_rollback_without_anything_kept_and_of_a_changed_file(good_files: Path, models: Path) -> None:
    folder = models / "event_classifier"
    with pytest.raises(StorytellerError, match="nothing was promoted over another file"):
        rollback(folder, NAMES)
    shutil.copytree(good_files, folder / "previous")
    (folder / "previous" / "manifest.json").write_text(json.dumps({"files": {"ner_classifier.onnx": "0" * 64}}))
    with pytest.raises(StorytellerError, match=r"manifest\.json says 0000"):
        rollback(folder, NAMES)


def test_wrong_use_is_told(good_runs: Path, models: Path) -> None:
    result = run_command(promote_command, good_runs, "--events", "--models", models)
    assert result.exit_code == 2
    assert "says what already" in result.stderr


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny models are faster so."""
    torch.set_num_threads(1)
