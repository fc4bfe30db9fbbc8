"""What a file says about itself, checked without running it, and whether it runs when it is all the engine has."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
from storyteller_schema.common.errors import StorytellerError, first_line
from storyteller_schema.contract.onnx import INTERFACES, OPSET, Interface, Tensor

from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.onnx.file import (
    STANDARD_DOMAINS,
    external_files,
    metadata,
    operators,
    opset,
    read_model,
    start,
    tensors,
)

#: Types of the tensors in which rounded weights are stored.
EIGHT_BITS = frozenset({onnx.TensorProto.INT8, onnx.TensorProto.UINT8})
#: The operator that rounds activations while a model runs, with one scale for the whole batch.
ROUNDS_BATCHES = "DynamicQuantizeLinear"
#: The newest file format that the engine's runtime is known to load: PyTorch's exporter writes it.
NEWEST_IR_VERSION = 10


@dataclass
class Inspection:
    """A file that could be read."""

    path: Path
    model: onnx.ModelProto
    #: The interface it resembles most, or None.
    interface: Interface | None
    #: None when ONNX Runtime refuses the file.
    session: onnxruntime.InferenceSession | None

    @property
    def quantised(self) -> bool:
        """Eight-bit weights: its numbers cannot be those of the float model."""
        return any(tensor.data_type in EIGHT_BITS for tensor in tensors(self.model.graph))

    @property
    def rounds_batches(self) -> bool:
        """Activations are rounded while it runs: its rows depend on the rows beside them."""
        return any(operator == ROUNDS_BATCHES for _, operator in operators(self.model))

    @property
    def runnable(self) -> bool:
        """The session takes the interface's inputs by name and type, so cases can be fed to it."""
        if self.session is None or self.interface is None:
            return False
        found = {tensor.name: tensor for tensor in _given(self.model)[0]}
        return set(found) == set(self.interface.input_names) and all(
            found[tensor.name].dtype == tensor.dtype for tensor in self.interface.inputs
        )


def inspect(path: Path, report: Verification) -> Inspection | None:
    """Reads a file and adds everything that can be said without feeding it; None when it cannot be read at all."""
    with suppress(OSError), path.open("rb") as file:
        report.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        model = read_model(path)
    except StorytellerError as error:
        report.add("file", Status.FAILED, str(error))
        return None
    parameters = sum(_elements(tensor) for tensor in tensors(model.graph))
    report.add("file", Status.OK, f"{path.stat().st_size:,} bytes, {parameters:,} stored numbers")
    report.metadata = metadata(model)
    session = _load(path, model, report)
    _check_format(path, model, report)
    interface = _detect(model)
    if interface is None:
        wanted = " or ".join(f"{known.name} ({', '.join(map(str, known.inputs))})" for known in INTERFACES)
        taken, given = _given(model)
        found = f"takes {', '.join(map(str, taken)) or 'nothing'}, gives {', '.join(map(str, given)) or 'nothing'}"
        report.add("interface", Status.FAILED, f"{found}; expected {wanted}")
    else:
        report.interface = interface.name
        _check_tensors(model, interface, report)
        _check_metadata(interface, report)
    return Inspection(path, model, interface, session)


def _elements(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _load(path: Path, model: onnx.ModelProto, report: Verification) -> onnxruntime.InferenceSession | None:
    """A session of the file alone; failing that, of the file where it lies, so that the rest can still be checked."""
    others = external_files(model)
    if not others:
        with tempfile.TemporaryDirectory() as folder:
            alone = Path(folder) / path.name
            shutil.copyfile(path, alone)
            try:
                session = start(alone)
            except Exception as error:  # ONNX Runtime's classes share no public base
                report.add("complete", Status.FAILED, f"ONNX Runtime cannot load it: {first_line(error)}")
                return None
        report.add("complete", Status.OK, "one file; loads alone from an empty folder")
        return session
    listed = ", ".join(
        f"{name} ({f'{(path.parent / name).stat().st_size:,} bytes' if (path.parent / name).is_file() else 'missing'})"
        for name in others
    )
    advice = "re-export with external_data=False, or ship both and keep the names"
    report.add("complete", Status.FAILED, f"not complete alone: the weights lie in {listed}; {advice}")
    try:
        return start(path)
    except Exception as error:
        report.add("loads", Status.FAILED, f"not even with those files beside it: {first_line(error)}")
        return None


def _check_format(path: Path, model: onnx.ModelProto, report: Verification) -> None:
    try:
        onnx.checker.check_model(str(path), full_check=True)
        report.add("valid", Status.OK, "passes ONNX's full check")
    except Exception as error:  # ValidationError, InferenceError, and plain ones for a missing weight file
        report.add("valid", Status.FAILED, f"ONNX's full check: {first_line(error)}")
    found = opset(model)
    report.judge("opset", [f"{found}, expected {OPSET}: re-export"] if found != OPSET else [], str(OPSET))
    newer = model.ir_version > NEWEST_IR_VERSION
    detail = f"{model.ir_version}, newer than {NEWEST_IR_VERSION}: an older runtime refuses it"
    report.add("IR version", Status.WARNING if newer else Status.OK, detail if newer else str(model.ir_version))
    foreign = sorted(f"{domain}.{name}" for domain, name in operators(model) if domain not in STANDARD_DOMAINS)
    problem = [f"{', '.join(foreign)}: not standard ONNX, the engine's runtime may lack them"] if foreign else []
    report.judge("operators", problem, "only the standard domain")


def _given(model: onnx.ModelProto) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs and outputs as the file declares them; an axis of unknown size is called `?`."""

    def read(value: onnx.ValueInfoProto) -> Tensor:
        kind = value.type.tensor_type
        try:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
        except (KeyError, ValueError):
            dtype = "unknown"
        axes = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in kind.shape.dim)
        return Tensor(value.name, dtype, axes)

    stored = {tensor.name for tensor in model.graph.initializer}  # old exporters list the weights as inputs too
    inputs = [read(value) for value in model.graph.input if value.name not in stored]
    return inputs, [read(value) for value in model.graph.output]


def _detect(model: onnx.ModelProto) -> Interface | None:
    """The interface with the most tensors in common, by name and number of axes; None when not one name is shared."""
    inputs, outputs = _given(model)
    found = {tensor.name: len(tensor.axes) for tensor in (*inputs, *outputs)}

    def score(interface: Interface) -> tuple[int, int]:
        expected = (*interface.inputs, *interface.outputs)
        shared = [tensor for tensor in expected if tensor.name in found]
        return len(shared), sum(found[tensor.name] == len(tensor.axes) for tensor in shared)

    best = max(INTERFACES, key=score)
    return best if score(best)[0] else None


def _check_tensors(model: onnx.ModelProto, interface: Interface, report: Verification) -> None:
    for kind, found, expected in zip(
        ("inputs", "outputs"), _given(model), (interface.inputs, interface.outputs), strict=True
    ):
        by_name = {tensor.name: tensor for tensor in found}
        problems = [problem for tensor in expected for problem in _mismatches(tensor, by_name.get(tensor.name))]
        names = [tensor.name for tensor in expected]
        problems += [f"unexpected {tensor}" for tensor in found if tensor.name not in names]
        report.judge(kind, problems, ", ".join(map(str, expected)))


def _mismatches(expected: Tensor, found: Tensor | None) -> list[str]:
    if found is None:
        return [f"{expected} is missing"]
    if found.dtype != expected.dtype or len(found.axes) != len(expected.axes):
        return [f"{found}, expected {expected}"]
    problems = []
    for axis, (size, wanted) in enumerate(zip(found.axes, expected.axes, strict=True)):
        if isinstance(wanted, str) and isinstance(size, int):
            problems.append(f"{found}: axis {axis} is fixed to {size}, expected any size ({wanted})")
        elif isinstance(wanted, int) and size != wanted:
            problems.append(f"{found}: axis {axis} is {size}, expected {wanted}")
    return problems


def _check_metadata(interface: Interface, report: Verification) -> None:
    found = report.metadata.get(metadata_props.FINGERPRINT)
    if found is None:
        detail = "no fingerprint: made elsewhere, so nothing says which labels its numbers stand for"
        report.add("fingerprint", Status.WARNING, detail)
    elif found != interface.fingerprint:
        detail = (
            f"made for the contract {found}, but this workspace speaks {interface.fingerprint}: train and export again"
        )
        report.add("fingerprint", Status.FAILED, detail)
    else:
        report.add("fingerprint", Status.OK, found)
