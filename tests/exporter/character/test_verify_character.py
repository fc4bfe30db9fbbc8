"""`verify-onnx` on character files: good ones pass, and each way of being wrong is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from storyteller_exporter.character.file_metadata import ALIGNED
from storyteller_exporter.checks.verification_report import Status, Verdict
from storyteller_exporter.commands.verify_onnx import main
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.verify.verification import verify, verify_file
from storyteller_schema.contract.onnx import CHARACTER
from storyteller_schema.contract.predictions import HEADS
from verified import Edited, change, detail, failures, status

FILE_NAME = CHARACTER.file_name


# --- good files --------------------------------------------------------------------------------------------------


def test_good_file_passes_on_the_whole_grid(exported: Path, run: Path, data: Path) -> None:
    report = verify_file(exported, checkpoint=run, data=data)
    assert report.passed
    assert failures(report) == set()
    seen = {(difference.case, difference.against) for difference in report.differences}
    assert seen == {
        ("random, batch 1", "PyTorch"),
        ("random, batch 2", "PyTorch"),
        ("random, batch 7", "PyTorch"),
        ("random, batch 256", "PyTorch"),
        ("random, batch 256", "one by one"),
        ("zeros, batch 2", "PyTorch"),
        ("large, batch 64", "PyTorch"),
        ("real, batch 40", "PyTorch"),
        ("real, batch 40", "one by one"),
    }
    for case in seen:
        outputs = [entry.output for entry in report.differences if (entry.case, entry.against) == case]
        assert outputs == list(HEADS)
    assert report.rtol == 1e-5
    assert {entry.atol for entry in report.differences} == {1e-5, 1e-2}
    assert max(entry.share for entry in report.differences if entry.share is not None) < 0.5


def test_without_a_checkpoint_everything_else_is_checked(exported: Path) -> None:
    report = verify_file(exported)
    assert report.verdict is Verdict.UNJUDGED
    assert status(report, "PyTorch") is Status.UNJUDGED
    assert {entry.against for entry in report.differences} == {"one by one"}
    for name in ("complete", "valid", "opset", "operators", "inputs", "outputs", "runs", "finite", "decodes"):
        assert status(report, name) is Status.OK


def test_aligned_file_is_compared_with_the_shifted_model(exported_aligned: Path, run: Path, tmp_path: Path) -> None:
    assert verify_file(exported_aligned, checkpoint=run).passed
    model = onnx.load(str(exported_aligned))
    note = next(entry for entry in model.metadata_props if entry.key == ALIGNED)
    note.value = "false"
    target = tmp_path / FILE_NAME
    target.write_bytes(model.SerializeToString())
    report = verify_file(target, checkpoint=run)
    assert {entry.output for entry in report.differences if not entry.passed} == {"speech", "emotion"}


# --- files that cannot be read -----------------------------------------------------------------------------------


def _missing(path: Path, good: bytes) -> None:
    pass


def _empty(path: Path, good: bytes) -> None:
    path.write_bytes(b"")


def _text(path: Path, good: bytes) -> None:
    path.write_text("This is not an ONNX file.\n")


def _truncated(path: Path, good: bytes) -> None:
    path.write_bytes(good[: len(good) // 2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "cannot be read: No such file"),
        (_empty, "holds no ONNX graph"),
        (_text, "not an ONNX file"),
        (_truncated, "not an ONNX file or not all of one"),
    ],
)
def test_unreadable_file_is_one_clear_row(
    exported: Path, tmp_path: Path, make: Callable[[Path, bytes], None], message: str
) -> None:
    path = tmp_path / "model.onnx"
    make(path, exported.read_bytes())
    report = verify_file(path)
    assert not report.passed
    assert [check.name for check in report.checks] == ["file"]
    assert message in detail(report, "file")
    result = CliRunner().invoke(main, [str(path)])
    assert "Traceback" not in result.output
    if make is _missing:
        assert result.exit_code == 2
        assert f"{path}: no such file or folder" in result.stderr
    else:
        assert result.exit_code == 1
        assert "FAILED" in result.stdout


def test_folder_without_any_of_the_files_is_one_clear_row(tmp_path: Path) -> None:
    (report,) = verify(tmp_path)
    assert not report.passed
    assert "character_predictor.onnx, event_classifier.onnx" in detail(report, "file")


def test_folder_is_verified_by_the_files_in_it(exported: Path, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(exported.read_bytes())
    (report,) = verify(tmp_path)
    assert failures(report) == set()
    assert report.file == str(tmp_path / FILE_NAME)


# --- files that are not complete alone ---------------------------------------------------------------------------


@pytest.fixture
def split(exported: Path, tmp_path: Path) -> Path:
    """The export as PyTorch writes it by default: the weights in a second file."""
    folder = tmp_path / "split"
    folder.mkdir()
    model = onnx.load(str(exported))
    path = folder / FILE_NAME
    onnx.save(model, str(path), save_as_external_data=True, location=f"{FILE_NAME}.data", size_threshold=0)
    return path


def test_weights_in_a_second_file_are_reported_and_the_rest_is_checked(split: Path, run: Path) -> None:
    report = verify_file(split, checkpoint=run)
    assert failures(report) == {"complete"}
    found = detail(report, "complete")
    assert f"{FILE_NAME}.data (1,6" in found
    assert "external_data=False" in found
    assert {entry.against for entry in report.differences} == {"PyTorch", "one by one"}
    assert all(entry.passed for entry in report.differences)
    assert not report.passed


def test_missing_second_file_is_named(split: Path) -> None:
    (split.parent / f"{FILE_NAME}.data").unlink()
    report = verify_file(split)
    assert {"complete", "loads"} <= failures(report)
    assert f"{FILE_NAME}.data (missing)" in detail(report, "complete")
    assert status(report, "outputs") is Status.OK


# --- another interface -------------------------------------------------------------------------------------------


def _rename_output(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.output[0] == "speech")
    node.output[0] = model.graph.output[1].name = "talk"


def _drop_output(model: onnx.ModelProto) -> None:
    del model.graph.output[3]


def _wrong_width(model: onnx.ModelProto) -> None:
    change(model, "heads.action.2.weight", lambda weight: weight[:13])
    change(model, "heads.action.2.bias", lambda bias: bias[:13])
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 13


def _fix_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7
    for value in model.graph.output:
        value.type.tensor_type.shape.dim[0].dim_value = 7


def _double_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    model.graph.node.insert(0, helper.make_node("Cast", ["features"], ["as_float"], to=TensorProto.FLOAT))
    model.graph.node[1].input[0] = "as_float"


def _old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 17


def _foreign_operator(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Relu")
    node.op_type, node.domain = "Gelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _other_fingerprint(model: onnx.ModelProto) -> None:
    next(entry for entry in model.metadata_props if entry.key == metadata_props.FINGERPRINT).value = "0" * 64


@pytest.mark.parametrize(
    ("edit", "check", "message"),
    [
        (_rename_output, "outputs", "speech float32[batch, 6] is missing; unexpected talk float32[batch, 6]"),
        (_drop_output, "outputs", "emotion float32[batch, 16] is missing"),
        (_wrong_width, "outputs", "axis 1 is 13, expected 14"),
        (_fix_batch, "inputs", "axis 0 is fixed to 7, expected any size (batch)"),
        (_fix_batch, "runs", "random, batch 256: "),
        (_double_input, "inputs", "features float64[batch, 453], expected features float32[batch, 453]"),
        (_double_input, "runs", "does not take the inputs that the engine gives"),
        (_old_opset, "opset", "17, expected 18"),
        (_foreign_operator, "operators", "com.microsoft.Gelu"),
        (_other_fingerprint, "fingerprint", "0" * 64),
    ],
)
def test_other_interface_is_named(
    edited: Edited, run: Path, edit: Callable[[onnx.ModelProto], None], check: str, message: str
) -> None:
    report = verify_file(edited(edit), checkpoint=run)
    assert not report.passed
    assert status(report, check) is Status.FAILED
    assert message in detail(report, check)


def test_every_problem_is_listed(edited: Edited, make_run: Callable[..., Path], tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> None:
        _rename_output(model)
        _old_opset(model)
        _other_fingerprint(model)
        change(model, "heads.thought.2.bias", lambda bias: np.full_like(bias, np.nan))

    report = verify_file(edited(edit), checkpoint=make_run(seed=1, epoch=9), data=tmp_path / "none.jsonl")
    assert failures(report) >= {"outputs", "opset", "fingerprint", "finite", "checkpoint", "data"}
    assert {entry.output for entry in report.differences if not entry.passed} == {"action", "thought", "emotion"}


def test_quite_another_model_is_told_apart(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 224, 224])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 224, 224])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "picture", [value], [result])
    path = tmp_path / "picture.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), str(path))
    report = verify_file(path)
    assert failures(report) == {"interface"}
    assert "takes x float32[1, 3, 224, 224]" in detail(report, "interface")
    assert "character (features float32[batch, 453])" in detail(report, "interface")


def test_foreign_file_without_metadata_is_warned_about_and_passes(edited: Edited, run: Path) -> None:
    path = edited(lambda model: model.ClearField("metadata_props"))
    report = verify_file(path, checkpoint=run)
    assert report.passed
    assert status(report, "fingerprint") is Status.WARNING
    assert status(report, "checkpoint") is Status.WARNING


# --- other numbers -----------------------------------------------------------------------------------------------


def test_small_mismatch_in_one_head_names_that_head(edited: Edited, run: Path) -> None:
    path = edited(lambda model: change(model, "heads.thought.2.bias", lambda bias: bias + 1e-3))
    assert failures(verify_file(path)) == set()  # nothing to see without the checkpoint
    report = verify_file(path, checkpoint=run)
    assert not report.passed
    wrong = [entry for entry in report.differences if not entry.passed]
    assert {entry.output for entry in wrong} == {"thought"}
    # Large inputs are compared at a tolerance of their size: the shift drowns there, and nowhere else.
    assert {entry.case for entry in wrong} == {
        *(f"random, batch {size}" for size in (1, 2, 7, 256)),
        "zeros, batch 2",
    }
    worst = next(entry for entry in wrong if entry.case == "zeros, batch 2").worst
    assert worst == pytest.approx(1e-3, rel=1e-2)


def test_wrong_slope_is_seen_at_large_magnitudes(edited: Edited, run: Path) -> None:
    path = edited(lambda model: change(model, "heads.action.2.weight", lambda weight: weight * 1.01))
    report = verify_file(path, checkpoint=run)
    assert "large, batch 64" in {entry.case for entry in report.differences if not entry.passed}


def test_nan_weights_are_found_without_a_checkpoint(edited: Edited) -> None:
    path = edited(lambda model: change(model, "heads.speech.2.bias", lambda bias: np.full_like(bias, np.nan)))
    report = verify_file(path)
    assert "finite" in failures(report)
    assert "speech (zeros, batch 2)" in detail(report, "finite")
    assert "action" not in detail(report, "finite")
    json.dumps(report.as_json(), allow_nan=False)


def test_rows_that_depend_on_each_other_are_found(edited: Edited) -> None:
    def subtract_mean(model: onnx.ModelProto) -> None:
        node = next(node for node in model.graph.node if node.output[0] == "emotion")
        node.output[0] = "raw"
        mean = helper.make_node("ReduceMean", ["raw", "axis"], ["mean"], keepdims=1)
        model.graph.initializer.append(numpy_helper.from_array(np.array([0], dtype=np.int64), "axis"))
        model.graph.node.extend([mean, helper.make_node("Sub", ["raw", "mean"], ["emotion"])])

    report = verify_file(edited(subtract_mean))
    assert {entry.output for entry in report.differences if not entry.passed} == {"emotion"}


def test_random_outputs_are_found(edited: Edited) -> None:
    def add_noise(model: onnx.ModelProto) -> None:
        node = next(node for node in model.graph.node if node.output[0] == "emotion")
        node.output[0] = "raw"
        noise = helper.make_node("RandomNormalLike", ["raw"], ["noise"], scale=1.0)
        model.graph.node.extend([noise, helper.make_node("Add", ["raw", "noise"], ["emotion"])])

    report = verify_file(edited(add_noise))
    assert "emotion" in detail(report, "deterministic")
    assert "deterministic" in failures(report)


# --- checkpoints -------------------------------------------------------------------------------------------------


def test_missing_checkpoint_fails_and_the_rest_is_checked(exported: Path, tmp_path: Path) -> None:
    report = verify_file(exported, checkpoint=tmp_path / "nowhere")
    assert failures(report) == {"checkpoint"}
    assert status(report, "decodes") is Status.OK


def test_another_checkpoint_is_named_before_its_numbers_differ(exported: Path, make_run: Callable[..., Path]) -> None:
    report = verify_file(exported, checkpoint=make_run(seed=1, epoch=4))
    assert "exported from epoch 3" in detail(report, "checkpoint")
    assert failures(report) == {"checkpoint", "parity"}
    assert any(not entry.passed for entry in report.differences)
