"""`character_predictor.onnx`: what is in it, and that nothing but a good file ever takes its place."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from failing_disk import refuse_new_files
from storyteller_exporter.character.cases import random_features
from storyteller_exporter.character.file_metadata import ALIGNED, EPOCH, LOSS, ROUNDED_BY
from storyteller_exporter.character.reference_model import aligned
from storyteller_exporter.commands.export_character_model import main
from storyteller_exporter.commands.verify_onnx import main as verify_onnx
from storyteller_exporter.export import character
from storyteller_exporter.export.character import export_character
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.file import external_files, opset, write_model
from storyteller_exporter.onnx.session import start
from storyteller_exporter.onnx.torch_export import export_module, quiet
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.fingerprint import SCHEMA_VERSION, fingerprint
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import HEADS, PREDICTIONS, decode_outputs
from storyteller_trainer.character.model.checkpoint import load_checkpoint
from storyteller_trainer.character.model.network import PARAMETERS

BINARY = ["speech.occurs", "emotion.awareness_shift"]


def outputs(path: Path, features: np.ndarray) -> np.ndarray:
    """[rows, 42] in the engine's order."""
    values: list[np.ndarray] = start(path).run(list(HEADS), {"features": features})
    return np.concatenate(values, axis=1)


def test_file_is_one_complete_opset_18_file(exported: Path) -> None:
    model = onnx.load(str(exported), load_external_data=False)
    assert opset(model) == 18
    assert model.ir_version == 8
    assert external_files(model) == []
    assert sorted(path.name for path in exported.parent.iterdir()) == [
        "MODEL_CARD.md",
        exported.name,
        "verification.json",
    ]
    assert PARAMETERS * 4 < exported.stat().st_size < 1_700_000


def test_interface_is_the_engines(exported: Path) -> None:
    session = start(exported)
    given = [(tensor.name, tensor.type, tensor.shape) for tensor in (*session.get_inputs(), *session.get_outputs())]
    assert given == [
        ("features", "tensor(float)", ["batch", 453]),
        ("action", "tensor(float)", ["batch", 14]),
        ("speech", "tensor(float)", ["batch", 6]),
        ("thought", "tensor(float)", ["batch", 6]),
        ("emotion", "tensor(float)", ["batch", 16]),
    ]


def test_metadata_says_where_the_file_comes_from_and_how_it_is_read(exported: Path) -> None:
    # As ONNX Runtime shows it, which is what the engine can see.
    found = start(exported).get_modelmeta().custom_metadata_map
    assert found[metadata_props.FINGERPRINT] == fingerprint()
    assert found[metadata_props.VERSION] == str(SCHEMA_VERSION)
    assert found[metadata_props.PARAMETERS] == "407210"
    assert found[metadata_props.DATA_HASH] == "d47a" * 16
    assert found[metadata_props.PRECISION] == "float32"
    assert (found[EPOCH], found[LOSS], found[ALIGNED]) == ("3", "1.6804", "false")
    versions = json.loads(found[metadata_props.VERSIONS])
    assert {"torch", "onnx", "onnxruntime", "storyteller-exporter"} <= set(versions)
    decoding = json.loads(found[metadata_props.DECODING])
    assert decoding["slices"]["emotion.awareness_shift"] == [34, 42]
    assert decoding["action.type"]["labels"] == ["Perform", "Speak", "Move", "Examine", "Wait", "Resist"]
    assert "0.5" in decoding["speech.occurs"]


def test_nothing_of_the_exporting_machine_is_inside(exported: Path) -> None:
    content = exported.read_bytes()
    for trace in (b"stack_trace", b".py", str(Path(torch.__file__).parent).encode(), b"pkg.torch"):
        assert trace not in content


def test_same_checkpoint_gives_the_same_bytes_silently(
    run: Path, exported: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "elsewhere" / "again.onnx"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        export_character(run, again)
    assert again.read_bytes() == exported.read_bytes()
    assert capfd.readouterr() == ("", "")
    assert seen == []


def test_quiet_holds_nothing_back_when_the_work_fails(capsys: pytest.CaptureFixture[str]) -> None:
    disabled = logging.root.manager.disable

    def work() -> None:
        with quiet():
            sys.stdout.write("what led to it")
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        work()
    assert "what led to it" in capsys.readouterr().err
    assert logging.root.manager.disable == disabled


def test_quiet_lets_errors_through(caplog: pytest.LogCaptureFixture) -> None:
    with quiet():
        logging.getLogger("torch.onnx").warning("chatter")
        logging.getLogger("torch.onnx").error("an operator is missing")
    assert [record.message for record in caplog.records] == ["an operator is missing"]


def test_other_opset_and_other_files_are_refused(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(str(exported))
    model.opset_import[0].version = 20
    with pytest.raises(StorytellerError, match="opset 20 instead of 18"):
        write_model(model, tmp_path / "a.onnx", {})
    model = onnx.load(str(exported))
    onnx.external_data_helper.convert_model_to_external_data(model, location="w.data", size_threshold=0)
    onnx.save(model, str(tmp_path / "b.onnx"))  # marks the weights as external
    model = onnx.load(str(tmp_path / "b.onnx"), load_external_data=False)
    with pytest.raises(StorytellerError, match=r"other files: w\.data"):
        write_model(model, tmp_path / "c.onnx", {})
    assert not (tmp_path / "a.onnx").exists()
    assert not (tmp_path / "c.onnx").exists()


def test_missing_and_foreign_checkpoints_are_refused(make_run: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StorytellerError, match="no such checkpoint"):
        export_character(tmp_path / "nowhere", tmp_path / "model.onnx")
    with pytest.raises(StorytellerError, match=f"0000.*{fingerprint()}"):
        export_character(make_run(schema_fingerprint="0" * 64), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_aligned_outputs_are_cut_where_they_were_trained_to_be(exported: Path, exported_aligned: Path) -> None:
    assert start(exported_aligned).get_modelmeta().custom_metadata_map[ALIGNED] == "true"
    features = random_features(200, np.random.default_rng(0))
    plain, shifted = outputs(exported, features), outputs(exported_aligned, features)
    expected = np.zeros(PREDICTIONS.size)
    for name in BINARY:
        expected[PREDICTIONS.span(name)] = 0.5
    np.testing.assert_allclose(shifted - plain, np.tile(expected, (200, 1)), atol=1e-6)
    speaks = [decode_outputs(row).speech.occurs for row in shifted]
    np.testing.assert_array_equal(speaks, plain[:, PREDICTIONS.span("speech.occurs").start] > 0)


def test_alignment_leaves_the_checkpoints_model_alone(run: Path) -> None:
    model = load_checkpoint(run).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed = {name for name, value in aligned(model).state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"heads.speech.2.bias", "heads.emotion.2.bias"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_int8_file_is_a_quarter_of_the_size_and_says_so(exported: Path, exported_int8: Path) -> None:
    assert exported_int8.stat().st_size < 450_000
    session = start(exported_int8)
    assert session.get_modelmeta().custom_metadata_map[metadata_props.PRECISION] == "int8"
    features = random_features(1, np.random.default_rng(1))
    exact = outputs(exported, features)
    rounded = outputs(exported_int8, features)
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, atol=0.05)


@pytest.mark.usefixtures("traced")
def test_int8_goes_beside_float32_and_verify_finds_it(trained: Path, run: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    where = ["--models", str(models)]
    assert CliRunner().invoke(main, [str(run), *where]).exit_code == 0
    before = {path.name: path.read_bytes() for path in models.iterdir()}
    done = CliRunner().invoke(main, [str(run), *where, "--int8", "--allow-unjudged"])
    assert done.exit_code == 0, done.output
    assert "not judged" in done.stdout
    assert {path.name: path.read_bytes() for path in models.iterdir() if path.is_file()} == before
    assert sorted(path.name for path in (models / "int8").iterdir()) == [*sorted(before)]
    # The same options find it again.
    arguments = [*where, "--checkpoint", str(run), "--int8", "--allow-unjudged", "--json"]
    found = CliRunner().invoke(verify_onnx, arguments)
    assert found.exit_code == 0, found.output
    (file,) = json.loads(found.stdout)["files"]
    assert file["file"] == str(models / "int8" / "character_predictor.onnx")
    assert file["metadata"][metadata_props.PRECISION] == "int8"
    assert file["metadata"][ROUNDED_BY] == "0"


@pytest.mark.usefixtures("traced")
def test_a_file_that_is_named_is_written_there(run: Path, tmp_path: Path) -> None:
    named = tmp_path / "mine.onnx"
    arguments = [str(run), "--output", str(named)]
    assert CliRunner().invoke(main, [*arguments, "--int8", "--allow-unjudged"]).exit_code == 0
    assert start(named).get_modelmeta().custom_metadata_map[metadata_props.PRECISION] == "int8"
    both = CliRunner().invoke(main, [*arguments, "--models", str(tmp_path)])
    assert both.exit_code == 2
    assert f"--output {named} says where already; leave it out, or --models" in both.stderr


def test_int8_without_data_is_refused_and_the_reason_told(run: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [str(run), "--models", str(tmp_path), "--int8"])
    assert done.exit_code == 1
    assert "the export could not be judged (--allow-unjudged takes it as it is)" in done.stderr
    assert f"no {run / 'run.json'} says what the run was trained on" in done.stderr
    assert [path.name for path in (tmp_path / "int8").iterdir()] == ["failed-export"]


def test_data_that_moved_is_named(trained: Path, sample: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(sample.read_bytes())
    run = tmp_path / "run"
    run.mkdir()
    (run / "best.safetensors").write_bytes((trained / "best.safetensors").read_bytes())
    arguments = [str(run), "--models", str(tmp_path), "--int8"]
    assert CliRunner().invoke(main, arguments).exit_code == 1
    assert CliRunner().invoke(main, [*arguments, "--data", str(moved)]).exit_code == 0
    assert [path.name for path in (tmp_path / "int8").glob("failed*")] == []


def test_read_only_folder_is_a_clear_error(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_new_files(monkeypatch)
    monkeypatch.setattr(character, "export_module", lambda *arguments: pytest.fail("the work was done before"))
    done = CliRunner().invoke(main, [str(run), "--models", str(tmp_path / "models")])
    assert done.exit_code == 1
    target = tmp_path / "models" / "character_predictor.onnx"
    assert f"{target}: cannot write here: Permission denied; choose another place" in done.stderr


@pytest.mark.usefixtures("traced")
def test_command_writes_where_the_engine_looks(
    run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("STORYTELLER_MODEL_PATH", str(models))
    result = CliRunner().invoke(main, [str(run), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["file"] == str(models / "character_predictor.onnx")
    assert report["opset"] == 18
    assert (models / "character_predictor.onnx").read_bytes() == exported.read_bytes()


@pytest.mark.usefixtures("traced")
def test_command_defaults_to_the_last_run_and_to_artifacts(run: Path, tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "character").symlink_to(run)
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 0, result.output
    assert "407,210 parameters, float32" in result.stdout
    assert (tmp_path / "artifacts" / "models" / "character_predictor.onnx").is_file()


def test_command_fails_with_one_readable_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "Error: Invalid value for '[CHECKPOINT]': " in result.stderr
    assert "no such checkpoint" in result.stderr
    assert CliRunner().invoke(main, ["--no-such-option"]).exit_code == 2


def test_exporting_module_refuses_what_cannot_be_traced() -> None:
    class Untraceable(torch.nn.Module):
        def forward(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
            if features.sum().item() > 0:  # depends on the data
                return {head: features[:, :size] for head, size in HEADS.items()}
            return {head: features[:, -size:] for head, size in HEADS.items()}

    with pytest.raises(StorytellerError, match="could not export the character model"):
        export_module(Untraceable().eval(), {"features": torch.zeros(2, 453)}, CHARACTER)


def test_data_that_cannot_be_read_is_told_before_the_export(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(character, "export_module", lambda *arguments: pytest.fail("the long work has begun"))
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(StorytellerError, match=r"bad\.jsonl"):
        export_character(run, tmp_path / "out" / "model.onnx", data=tmp_path / "bad.jsonl")
    assert not (tmp_path / "out").exists()
