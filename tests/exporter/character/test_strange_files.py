"""`verify-onnx` cannot be talked out of a check, and no file breaks it: a fault is a failed check, the rest goes on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from storyteller_exporter.character.file_metadata import LOSS, ROUNDED_BY
from storyteller_exporter.checks.floors import Floors
from storyteller_exporter.checks.verification_report import Status, Verdict
from storyteller_exporter.commands.verify_onnx import main
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.sandbox.limits import Limits
from storyteller_exporter.verify.verification import verify_file, write_report
from verified import Edited, change, detail, failures, status

pytestmark = pytest.mark.usefixtures("own_process")
QUICK = Limits(seconds=20)


def note(model: onnx.ModelProto, key: str, value: str) -> None:
    """Sets a note, of which there may be none yet."""
    kept = {entry.key: entry.value for entry in model.metadata_props} | {key: value}
    del model.metadata_props[:]
    helper.set_model_props(model, kept)


def unused_rounding(model: onnx.ModelProto) -> None:
    integers = numpy_helper.from_array(np.ones((600, 1000), dtype=np.int8), "integers")
    scale = numpy_helper.from_array(np.array(1, dtype=np.float32), "scale")
    model.graph.initializer.extend([integers, scale])
    model.graph.node.append(helper.make_node("DequantizeLinear", ["integers", "scale"], ["nobody"]))


def no_trunk(model: onnx.ModelProto) -> None:
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    change(model, largest.name, np.zeros_like)


def says_int8(model: onnx.ModelProto) -> None:
    note(model, metadata_props.PRECISION, "int8")


# --- what is not compared has not passed -------------------------------------------------------------------------


@pytest.mark.parametrize("edits", [(unused_rounding,), (says_int8,), (unused_rounding, says_int8)])
def test_parity_is_not_skipped_for_what_plays_no_part(
    edited: Edited, run: Path, edits: tuple[Callable[[onnx.ModelProto], None], ...]
) -> None:
    path = edited(lambda model: [edit(model) for edit in (no_trunk, *edits)])
    report = verify_file(path, checkpoint=run)
    assert "parity" in failures(report)
    assert report.verdict is Verdict.FAILED
    if says_int8 in edits:
        assert "its notes say int8, but 0 of the" in detail(report, "precision")


def test_rounded_weights_without_a_note_are_held_to_parity(exported_int8: Path, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for precision, found in (("float32", Status.FAILED), (None, Status.WARNING)):
        model = onnx.load(str(exported_int8))
        if precision is None:
            del model.metadata_props[:]
        else:
            note(model, metadata_props.PRECISION, precision)
        path.write_bytes(model.SerializeToString())
        report = verify_file(path, checkpoint=run)
        assert status(report, "precision") is found
        assert "parity" in failures(report)


def test_a_file_that_nothing_compares_ends_with_1_unless_that_is_allowed(exported: Path) -> None:
    assert CliRunner().invoke(main, [str(exported)]).exit_code == 1
    assert CliRunner().invoke(main, [str(exported), "--allow-unjudged"]).exit_code == 0


def test_floors_hold_the_runs_own_loss(exported: Path, run: Path) -> None:
    report = verify_file(exported, checkpoint=run)
    assert report.scores == {"validation loss": 1.6804}
    assert detail(report, "scores of the run") == "validation loss 1.6804"
    for options, code in ((["--max-loss", "1.7"], 0), (["--max-loss", "1.6"], 1), (["--min-f1", "0"], 1)):
        result = CliRunner().invoke(main, [str(exported), "--checkpoint", str(run), *options])
        assert result.exit_code == code, result.output
        assert "validation loss 1.6804" in result.stdout
    unknown = verify_file(exported, checkpoint=run, floors=Floors(min_f1=0.5))
    assert detail(unknown, "--min-f1") == "no F1 of this model is known; at least 0.5 is asked for (--min-f1)"


# --- every check is isolated -------------------------------------------------------------------------------------


def huge_dims(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="huge", dims=[2**62] * 400, data_type=TensorProto.FLOAT))


def text_output(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.output[0] == "emotion")
    node.output[0] = "raw"
    model.graph.node.append(helper.make_node("Cast", ["raw"], ["emotion"], to=TensorProto.STRING))
    model.graph.output[3].type.tensor_type.elem_type = TensorProto.STRING


def markup(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.output[0] == "speech")
    node.output[0] = model.graph.output[1].name = "[/x]\x1b[31m\nsecond line" + "y" * 10_000


def one_number(axes: list[int]) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        node = next(node for node in model.graph.node if node.output[0] == "emotion")
        node.output[0] = "raw"
        model.graph.initializer.append(numpy_helper.from_array(np.array(axes, dtype=np.int64), "axes"))
        model.graph.node.append(helper.make_node("ReduceSum", ["raw", "axes"], ["emotion"], keepdims=0))
        del model.graph.output[3].type.tensor_type.shape.dim[2 - len(axes) :]

    return edit


def cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def no_opset(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def empty(model: onnx.ModelProto) -> None:
    del model.graph.node[:]


def elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../\x1b[2J\0nowhere")


def many_trips(model: onnx.ModelProto) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("go", "state")],
        "body",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_out", TensorProto.FLOAT, None),
        ],
    )
    node = next(node for node in model.graph.node if node.output[0] == "emotion")
    node.output[0] = "raw"
    model.graph.initializer.append(numpy_helper.from_array(np.array(2**62, dtype=np.int64), "trips"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    model.graph.node.append(helper.make_node("Loop", ["trips", "always", "raw"], ["emotion"], body=body))


def four_gigabytes(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.output[0] == "emotion")
    node.output[0] = "raw"
    model.graph.initializer.append(numpy_helper.from_array(np.array([10**9], dtype=np.int64), "shape"))
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["gigabytes"]),
            helper.make_node("ReduceMax", ["gigabytes"], ["zero"], keepdims=0),
            helper.make_node("Add", ["raw", "zero"], ["emotion"]),
        ]
    )


@pytest.mark.parametrize(
    ("edit", "check", "message"),
    [
        (huge_dims, "valid", ""),
        (text_output, "outputs", "emotion object[batch, 16], expected emotion float32[batch, 16]"),
        (markup, "outputs", r"unexpected [/x]\x1b[31m\nsecond line"),
        (one_number([0, 1]), "shapes", "emotion is float32[], expected float32[1, 16] (random, batch 1)"),
        (one_number([1]), "shapes", "emotion is float32[7], expected float32[7, 16] (random, batch 7)"),
        (cycle, "valid", ""),
        (no_opset, "file", "holds no ONNX graph"),
        (empty, "file", "holds no ONNX graph"),
        (elsewhere, "complete", r"the weights lie in ../\x1b[2J\x00nowhere (missing)"),
        (lambda model: note(model, LOSS, "abc"), "notes", "storyteller.best_loss: 'abc': expected a number"),
        (lambda model: note(model, metadata_props.DECODING, "{"), "notes", "storyteller.decoding: '{': expected JSON"),
        (lambda model: note(model, metadata_props.VERSIONS, "[" * 99_999), "notes", "expected JSON"),
        (lambda model: note(model, ROUNDED_BY, "9" * 5_000), "notes", "expected a whole number"),
    ],
)
def test_each_fault_is_a_failed_check_and_the_report_is_written(
    edited: Edited, tmp_path: Path, edit: Callable[[onnx.ModelProto], None], check: str, message: str
) -> None:
    path = edited(edit)
    report = verify_file(path, limits=QUICK)
    assert check in failures(report), report.checks
    assert message in detail(report, check)
    write_report([report], tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "failed"
    for each in report.checks:
        assert each.detail.isprintable()
        assert len(each.detail) < 1_100
    if check != "file":
        assert status(report, "opset") is Status.OK
        assert {"notes", "scores of the run"} <= {each.name for each in report.checks}


def test_names_are_shown_as_they_are(edited: Edited) -> None:
    result = CliRunner().invoke(main, [str(edited(markup))])
    assert result.exit_code == 1
    assert r"[/x]\x1b[31m\nsecond line" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_loop_without_end_is_stopped(edited: Edited) -> None:
    report = verify_file(edited(many_trips), limits=Limits(seconds=3))
    assert "runs" in failures(report)
    assert "stopped: it takes more than 3 s (--time-limit)" in detail(report, "runs")
    assert status(report, "scores of the run") is Status.OK


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited where the system does it")
def test_memory_is_limited(edited: Edited) -> None:
    report = verify_file(edited(four_gigabytes), limits=QUICK)
    (found,) = (
        each.detail for each in report.checks if each.name in ("runs", "complete") and each.name in failures(report)
    )
    assert "more memory is needed than the limit of 2.0 GiB (--memory-limit)" in found


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.onnx")
    report = verify_file(tmp_path / "model.onnx")
    assert detail(report, "file") == f"{tmp_path / 'model.onnx'}: not a regular file; name an ONNX file"
