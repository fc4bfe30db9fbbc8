"""What a file says about itself, checked without running it, and whether it runs when it is all the engine has."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from storyteller_schema.common.files import naming_what_failed
from storyteller_schema.contract.onnx import INTERFACES, OPSET, Interface, Tensor

from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.sandbox.file_model import FileModel
from storyteller_exporter.sandbox.messages import MANY, DeclaredTensor, Done, GraphFacts, Load, Read, Validate
from storyteller_exporter.sandbox.process import RefusedError, Sandbox

#: The newest file format that the engine's runtime is known to load: PyTorch's exporter writes it.
NEWEST_IR_VERSION = 10
#: Bytes. Protobuf, in which ONNX files are written, takes no longer message.
LARGEST = 2 << 30


@dataclass
class Inspection:
    """A file that could be read."""

    path: Path
    facts: GraphFacts
    #: The interface it resembles most, or None.
    interface: Interface | None
    #: None when ONNX Runtime refuses the file.
    model: FileModel | None
    #: Where the file was read, and what lies beside it can be, too.
    sandbox: Sandbox

    @property
    def takes_inputs(self) -> bool:
        """It takes the interface's inputs by name and type, so cases can be fed to it."""
        if self.interface is None:
            return False
        found = {value.name: value for value in self.facts.inputs}
        return set(found) == set(self.interface.input_names) and all(
            found[tensor.name].dtype == tensor.dtype for tensor in self.interface.inputs
        )


def size_of(path: Path, report: Verification) -> int | None:
    """The size of a file in bytes, its hash added to the report; None, and a failed check, when it is not to be read.

    What is no regular file is not opened: a pipe would never end.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            report.add("file", Status.FAILED, f"{path}: not a regular file; name an ONNX file")
            return None
        if about.st_size > LARGEST:
            detail = f"{path}: {about.st_size:,} bytes; no ONNX file has more than {LARGEST:,}"
            report.add("file", Status.FAILED, detail)
            return None
        with path.open("rb") as file:
            report.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        detail = f"{path}: cannot be read: {error.strerror}; export a model first, or name another file"
        report.add("file", Status.FAILED, detail)
        return None
    return about.st_size


def inspect(path: Path, size: int, sandbox: Sandbox, report: Verification) -> Inspection | None:
    """Reads a file and adds everything that can be said without feeding it; None when it cannot be read at all."""
    try:
        facts = sandbox.ask(Read(str(path)), GraphFacts)
    except RefusedError as error:
        report.add("file", Status.FAILED, error.about(path))
        return None
    stored = f"{facts.numbers:,}" if facts.numbers < MANY else "more than 10^18"
    report.add("file", Status.OK, f"{size:,} bytes, {stored} stored numbers")
    report.metadata = facts.metadata
    interface = _detect(facts)
    model = None
    with report.isolated("complete"):
        model = _load(path, facts, interface, sandbox, report)
    with report.isolated("valid"):
        _check_valid(path, sandbox, report)
    with report.isolated("format"):
        _check_format(facts, report)
    with report.isolated("interface"):
        _check_interface(facts, interface, report)
    return Inspection(path, facts, interface, model, sandbox)


def _load(
    path: Path, facts: GraphFacts, interface: Interface | None, sandbox: Sandbox, report: Verification
) -> FileModel | None:
    """The file alone, loaded; failing that, the file where it lies, so that the rest can still be checked."""
    names = [value.name for value in facts.outputs if interface and value.name in interface.output_names]
    if not facts.external:
        with naming_what_failed(sandbox.folder):
            alone = Path(tempfile.mkdtemp(dir=sandbox.folder)) / path.name
            shutil.copyfile(path, alone)
        try:
            sandbox.ask(Load(str(alone)), Done)
        except RefusedError as error:
            reason = str(error).replace(str(alone), str(path))
            report.add("complete", Status.FAILED, f"ONNX Runtime cannot load it: {reason}")
            return None
        report.add("complete", Status.OK, "one file; loads alone from an empty folder")
        return FileModel(sandbox, alone, names)
    listed = ", ".join(_beside(path, name) for name in facts.external)
    advice = "re-export with external_data=False, or ship both and keep the names"
    report.add("complete", Status.FAILED, f"not complete alone: the weights lie in {listed}; {advice}")
    try:
        sandbox.ask(Load(str(path)), Done)
    except RefusedError as error:
        report.add("loads", Status.FAILED, f"not even with those files beside it: {error}")
        return None
    return FileModel(sandbox, path, names)


def _beside(path: Path, name: str) -> str:
    try:
        return f"{name} ({(path.parent / name).stat().st_size:,} bytes)"
    except (OSError, ValueError):  # a name that no file can have
        return f"{name} (missing)"


def _check_valid(path: Path, sandbox: Sandbox, report: Verification) -> None:
    try:
        sandbox.ask(Validate(str(path)), Done)
        report.add("valid", Status.OK, "passes ONNX's full check")
    except RefusedError as error:
        report.add("valid", Status.FAILED, f"ONNX's full check: {error}")


def _check_format(facts: GraphFacts, report: Verification) -> None:
    wrong = facts.opset != OPSET
    report.judge("opset", [f"{facts.opset}, expected {OPSET}: re-export"] if wrong else [], str(OPSET))
    newer = facts.ir_version > NEWEST_IR_VERSION
    detail = f"{facts.ir_version}, newer than {NEWEST_IR_VERSION}: an older runtime refuses it"
    report.add("IR version", Status.WARNING if newer else Status.OK, detail if newer else str(facts.ir_version))
    foreign = ", ".join(facts.foreign)
    problem = [f"{foreign}: not standard ONNX, the engine's runtime may lack them"] if foreign else []
    report.judge("operators", problem, "only the standard domain")


def _detect(facts: GraphFacts) -> Interface | None:
    """The interface with the most tensors in common, by name and number of axes; None when not one name is shared."""
    found = {value.name: len(value.axes) for value in (*facts.inputs, *facts.outputs)}

    def score(interface: Interface) -> tuple[int, int]:
        expected = (*interface.inputs, *interface.outputs)
        shared = [tensor for tensor in expected if tensor.name in found]
        return len(shared), sum(found[tensor.name] == len(tensor.axes) for tensor in shared)

    best = max(INTERFACES, key=score)
    return best if score(best)[0] else None


def _check_interface(facts: GraphFacts, interface: Interface | None, report: Verification) -> None:
    inputs, outputs = ([_tensor(value) for value in values] for values in (facts.inputs, facts.outputs))
    if interface is None:
        wanted = " or ".join(f"{known.name} ({', '.join(map(str, known.inputs))})" for known in INTERFACES)
        found = f"takes {', '.join(map(str, inputs)) or 'nothing'}, gives {', '.join(map(str, outputs)) or 'nothing'}"
        report.add("interface", Status.FAILED, f"expected {wanted}; {found}")
        return
    report.interface = interface.name
    _check_tensors("inputs", inputs, interface.inputs, report)
    _check_tensors("outputs", outputs, interface.outputs, report)
    _check_fingerprint(interface, report)


def _tensor(value: DeclaredTensor) -> Tensor:
    return Tensor(value.name, value.dtype, tuple(value.axes))


def _check_tensors(kind: str, found: list[Tensor], expected: tuple[Tensor, ...], report: Verification) -> None:
    by_name = {tensor.name: tensor for tensor in found}
    problems = [problem for tensor in expected for problem in _mismatches(tensor, by_name.get(tensor.name))]
    names = [tensor.name for tensor in expected]
    problems += [f"unexpected {tensor}" for tensor in found if tensor.name not in names]
    if len(by_name) < len(found):
        problems.append("two of the same name")
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


def _check_fingerprint(interface: Interface, report: Verification) -> None:
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
