"""`evaluate-classifier`: what it takes, what it prints, and how it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import onnx
import pytest
from click.testing import CliRunner, Result
from safetensors import safe_open
from storyteller_exporter.commands.evaluate_classifier import main
from storyteller_exporter.evaluate.engine_events import EngineEvents
from storyteller_exporter.evaluate.sets import held_out_sets
from storyteller_exporter.events.file_metadata import SEED, SPANS, SPLIT
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EventKind, Register
from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.split import HELD_OUT
from storyteller_trainer.runs import tensor_file
from storyteller_trainer.sample.events.generate import write_examples
from storyteller_trainer.sample.events.markup import assemble, parse_markup
from storyteller_trainer.sample.events.prose import load_prose


def evaluate(*arguments: str | Path, time: int = 0) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--latency-sentences", str(time)])


def test_tables(words: Path, sentence_file: Path) -> None:
    result = evaluate(words, sentence_file, time=2)
    assert result.exit_code == 0, result.output
    for part in (
        "event macro F1",
        "0.2222",
        "padded to 128",
        "ratio of the medians",
        f"three: 3 sentences of {sentence_file}",
        "precision",
        "spurious",
        "é [Søren|CHARACTER] walks [old mill|LOCATION]",
    ):
        assert part in result.stdout


def test_json_holds_everything(words: Path, sentence_file: Path) -> None:
    result = evaluate(words, sentence_file, sentence_file, "--prose", "--json", "--worst", "1", time=2)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [Path(file["file"]).name for file in report["files"]] == ["event_classifier.onnx", "ner_classifier.onnx"]
    assert (report["padding"], report["threads"]) == ("fixed", 1)
    assert [found["sentences"] for found in report["sets"]] == [3, 3, len(load_prose())]
    first = report["sets"][0]
    assert first["events"]["macro"]["f1"] == pytest.approx(2 / 9)
    assert first["entities"]["classes"]["CHARACTER"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2}
    assert first["exact"]["both"] == pytest.approx(1 / 3)
    assert first["event_confusion"]["SpeechAct"]["nothing"] == 1
    assert first["entity_confusion"]["LOCATION"]["borders"] == 1
    (mistake,) = first["mistakes"]
    assert (mistake["id"], mistake["errors"]) == ("half", 4)
    assert set(mistake["probabilities"]) == {"ActionOccurrence", "SpatialChange"}
    assert report["latency"]["sentences"] == 2


def test_options_reach_the_work(words: Path, sentence_file: Path) -> None:
    result = evaluate(words, sentence_file, "--json", "--padding", "dynamic", "--threads", "2", "--worst", "0")
    report = json.loads(result.stdout)
    assert (report["padding"], report["threads"], report["latency"]) == ("dynamic", 2, None)
    assert report["sets"][0]["mistakes"] == []


def test_joint_folder(joint_words: Path, words: Path, sentence_file: Path) -> None:
    joint, pair = (json.loads(evaluate(folder, sentence_file, "--json").stdout) for folder in (joint_words, words))
    assert joint["sets"] == pair["sets"]


@pytest.mark.parametrize("variable", [True, False])
def test_folder_may_be_left_out(
    words: Path, sentence_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: bool
) -> None:
    models = tmp_path / ("elsewhere" if variable else "artifacts/models")
    shutil.copytree(words, models / "event_classifier")
    if variable:
        monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(models))
    result = evaluate(sentence_file, "--json")
    assert result.exit_code == 0, result.output
    assert Path(json.loads(result.stdout)["folder"]).resolve() == models / "event_classifier"


def test_predictions_file(words: Path, sentence_file: Path, tmp_path: Path) -> None:
    result = evaluate(words, sentence_file, "--predictions", tmp_path / "new" / "found.jsonl")
    assert result.exit_code == 0, result.output
    assert "predictions: " in result.stderr
    lines = (tmp_path / "new" / "found.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"].split()[0] for line in lines] == ["Zoë", "é", "nobody"]


# --- the sets that training held out -----------------------------------------------------------------------------


@pytest.fixture
def runs(event_runs: Path, sentence_file: Path, tmp_path: Path) -> Path:
    """The runs that `event_folder` was exported from, with sets held out."""
    folder = shutil.copytree(event_runs, tmp_path / "runs")
    for task in ("event", "ner"):
        for name in HELD_OUT.values():
            shutil.copy(sentence_file, folder / task / name)
    return folder


def test_held_out_sets(event_folder: Path, runs: Path) -> None:
    result = evaluate(event_folder, "--held-out", runs, "--json")
    assert result.exit_code == 0, result.output
    names = [(found["name"], found["sentences"]) for found in json.loads(result.stdout)["sets"]]
    assert names == [("held-out random", 3), ("unseen skeletons", 3)]


def test_of_a_checkpoint_only_its_metadata_is_read(
    event_folder: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class HeaderOnly:
        """A safetensors file that gives its header and refuses its tensors, the 90 MB of an encoder among them."""

        def __init__(self, path: Path, framework: str) -> None:
            with safe_open(path, framework) as file:
                self._header = file.metadata()

        def __enter__(self) -> HeaderOnly:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def metadata(self) -> dict[str, str]:
            return dict(self._header)

    monkeypatch.setattr(tensor_file, "safe_open", HeaderOnly)
    assert [len(each.examples) for each in held_out_sets(runs, EngineEvents(event_folder).files)] == [3, 3]


def test_models_with_different_splits_are_not_scored(event_folder: Path, runs: Path) -> None:
    path = runs / "ner" / HELD_OUT["skeletons"]
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    result = evaluate(event_folder, "--held-out", runs)
    assert result.exit_code == 1
    assert "may have seen what was held out from the other" in result.stderr
    assert str(path) in result.stderr


def test_models_of_another_run_are_not_scored(
    event_folder: Path, runs: Path, make_event_run: Callable[..., Path]
) -> None:
    make_event_run(runs, "event", "distilbert")
    result = evaluate(event_folder, "--held-out", runs)
    assert result.exit_code == 1
    for part in ("was exported from another run", "encoder bert, epoch 2", "encoder distilbert, epoch 2"):
        assert part in result.stderr


@pytest.mark.parametrize(("note", "value"), [(SEED, "43"), (SPLIT, "skeleton")])
def test_a_run_with_another_split_holds_out_other_sentences(
    event_folder: Path, runs: Path, note: str, value: str
) -> None:
    files = EngineEvents(event_folder).files
    other = msgspec.structs.replace(files[0], metadata=files[0].metadata | {note: value})
    assert held_out_sets(runs, files)
    with pytest.raises(StorytellerError, match=f"{note.removeprefix('storyteller.')} {value}.*export again"):
        held_out_sets(runs, [other, files[1]])


def test_folder_without_runs(words: Path, tmp_path: Path) -> None:
    result = evaluate(words, "--held-out", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path / 'event' / 'best.safetensors'}: there is no trained model" in result.stderr


def test_run_without_held_out_sets(event_folder: Path, runs: Path) -> None:
    (runs / "event" / HELD_OUT["random"]).unlink()
    result = evaluate(event_folder, "--held-out", runs)
    assert result.exit_code == 1
    assert f"{HELD_OUT['random']}: no such file" in result.stderr


# --- wrong use and bad input -------------------------------------------------------------------------------------


def test_nothing_to_evaluate_on_is_wrong_use(words: Path) -> None:
    result = evaluate(words)
    assert result.exit_code == 2
    assert "--prose" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--padding", "none"], ["--threads", "0"], ["--worst", "-1"], ["--latency-sentences", "-1"]],
)
def test_impossible_values_are_wrong_use(words: Path, sentence_file: Path, arguments: list[str]) -> None:
    assert CliRunner().invoke(main, [str(words), str(sentence_file), *arguments]).exit_code == 2


def test_missing_model_folder(tmp_path: Path, sentence_file: Path) -> None:
    result = evaluate(tmp_path / "nowhere", sentence_file)
    assert result.exit_code == 2
    assert "no such folder" in result.stderr
    assert "Traceback" not in result.output


def test_missing_data(words: Path, tmp_path: Path) -> None:
    result = evaluate(words, tmp_path / "nothing.jsonl")
    assert result.exit_code == 2
    assert "nothing.jsonl: no such file" in result.stderr


def test_empty_data(words: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    result = evaluate(words, tmp_path / "empty.jsonl")
    assert result.exit_code == 2
    assert "empty.jsonl: the file is empty" in result.stderr


def test_help_ends_in_an_example() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "evaluate-classifier artifacts/models/event_classifier --held-out artifacts/events --prose" in result.output


def with_spans(folder: Path, told: str) -> Path:
    """Notes in the entity file what the spans of its training data held."""
    path = folder / "ner_classifier.onnx"
    model = onnx.load(str(path))
    model.metadata_props.append(onnx.StringStringEntryProto(key=SPANS, value=told))
    onnx.save(model, str(path))
    return folder


def bare(line: str) -> EventExample:
    text, entities = assemble(parse_markup(line))
    return EventExample(
        id=line, text=text, register=Register.NARRATOR, event_kinds=[EventKind.ACTION_OCCURRENCE], entities=entities
    )


def test_a_set_of_the_other_convention_is_converted_and_told(own_words: Path, tmp_path: Path) -> None:
    path = tmp_path / "bare.jsonl"
    write_examples(path, [bare("[Zoë|CHARACTER:Actor] gives a [crown|OBJECT:Target]")])
    plain = json.loads(evaluate(own_words, path, "--json").stdout)["sets"][0]
    assert plain["entities"]["classes"]["OBJECT"]["recall"] == 1.0
    assert plain["notices"] == []
    with_spans(own_words, "determiners inside")
    found = json.loads(evaluate(own_words, path, "--json").stdout)["sets"][0]
    # The model finds "crown", and what counts now is "a crown".
    assert found["entities"]["classes"]["OBJECT"]["recall"] == 0.0
    (notice,) = found["notices"]
    assert notice.startswith("converted: its spans had determiners outside (")
    assert notice.endswith("the models learned determiners inside")
    assert notice in " ".join(evaluate(own_words, path).stdout.split())


@pytest.mark.parametrize("told", ["unknown", "mixed", "determiners outside"])
def test_a_set_is_left_alone_where_nothing_is_known_or_both_agree(own_words: Path, tmp_path: Path, told: str) -> None:
    path = tmp_path / "bare.jsonl"
    write_examples(path, [bare("[Zoë|CHARACTER:Actor] gives a [crown|OBJECT:Target]")])
    with_spans(own_words, told)
    assert json.loads(evaluate(own_words, path, "--json").stdout)["sets"][0]["notices"] == []


def test_a_mixed_set_is_refused(own_words: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    write_examples(path, [bare("[the mill|LOCATION:Subject] and a [crown|OBJECT:Target]")])
    with_spans(own_words, "determiners inside")
    result = evaluate(own_words, path)
    assert result.exit_code == 1
    assert "some of its entity spans hold their determiners and some do not" in " ".join(result.stderr.split())
