"""Spoils good exported files, a character model and a tiny event classifier, and has `verify-onnx` look at them.

    python tests/fuzz/fuzz_onnx.py --count 1000 --seed 1

Whatever is in a file, the command ends with 0, 1 or 2 within its limits, without a traceback, and writes a report. It
says "passed" only where it compared the file with PyTorch and where the file's outputs on other random rows, computed
here once more, are PyTorch's within the tolerance.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from fuzzing import Case, Outcome, at_most, fault_of, fuzz, invoke
from onnx import TensorProto, helper, numpy_helper
from samples import (
    export_character,
    export_events,
    train_character,
    train_events,
    write_character_data,
    write_event_data,
)
from storyteller_exporter.commands.verify_onnx import main

#: Seconds that a file may take for each of: reading, checking, loading, running.
SECONDS = 8
#: Of the whole command: each of these, a restart of the process after each, and a busy machine.
LIMIT = 90
GIB = 2
ROWS = 64
TOLERANCE = {"character": (1e-5, 1e-5), "event": (1e-4, 0.0), "ner": (1e-4, 0.0)}

NAMES = (
    "",
    "[/x]",
    "[bold]",
    "\x1b[2J",
    "\u202ea",
    "x" * 100_000,
    "a\nb",
    "\x00",
    "../../../etc/passwd",
    "features",
    "é" * 300,
)
NOTES = (
    *NAMES,
    "{}",
    "[]",
    "null",
    "NaN",
    "1e999",
    "-1",
    "int8",
    "float32",
    "9" * 5000,
    "[" * 5000,
    '{"events": 1}',
    "true",
)
OPERATORS = (
    "Add",
    "Sub",
    "Relu",
    "Identity",
    "Neg",
    "Cast",
    "Loop",
    "If",
    "Scan",
    "NoSuchOperator",
    "Softmax",
    "MatMul",
)
DIMS = (0, -1, 1, 2, 452, 454, 2**31, 2**62, 2**63 - 1, -(2**63))

Edit = Callable[[onnx.ModelProto, random.Random], str]


def rename(model: onnx.ModelProto, rng: random.Random) -> str:
    """Another name for an input, an output, a node, an initialiser or the graph."""
    graph, name = model.graph, rng.choice(NAMES)
    what = rng.choice((graph.input, graph.output, graph.node, graph.initializer))
    thing = rng.choice(what)
    old, thing.name = thing.name, name
    if rng.random() < 0.5:  # everywhere
        for node in graph.node:
            for names in (node.input, node.output):
                for index, found in enumerate(names):
                    if found == old:
                        names[index] = name
    return f"{old[:20]} renamed to {name[:20]!r}"


def note(model: onnx.ModelProto, rng: random.Random) -> str:
    """A note changed, lost, repeated or added."""
    notes = model.metadata_props
    how = rng.choice(("value", "value", "value", "key", "delete", "repeat", "none"))
    entry = rng.choice(notes) if notes else notes.add()
    if how == "value":
        entry.value = rng.choice(NOTES)
    elif how == "key":
        entry.key = rng.choice(NAMES)
    elif how == "delete":
        notes.remove(entry)
    elif how == "repeat":
        notes.add().CopyFrom(entry)
    else:
        del notes[:]
    return f"note {entry.key[:40]}: {how} {entry.value[:20]!r}"


def shape(model: onnx.ModelProto, rng: random.Random) -> str:
    """The shape or type of an input or output."""
    value = rng.choice([*model.graph.input, *model.graph.output])
    tensor = value.type.tensor_type
    how = rng.choice(("dim", "name", "add", "delete", "type", "sequence"))
    dims = tensor.shape.dim
    if how == "type":
        tensor.elem_type = rng.choice((0, 1, 6, 7, 8, 10, 11, 16, 99, 2**31 - 1))
    elif how == "sequence":
        value.type.sequence_type.elem_type.tensor_type.elem_type = 1
    elif how == "add" or not dims:
        dims.add().dim_value = rng.choice(DIMS)
    elif how == "delete":
        del dims[rng.randrange(len(dims))]
    elif how == "name":
        rng.choice(dims).dim_param = rng.choice(NAMES)
    else:
        rng.choice(dims).dim_value = rng.choice(DIMS)
    return f"{how} of {value.name}"


def attribute(model: onnx.ModelProto, rng: random.Random) -> str:
    """An attribute of a node: its value, its type, its name."""
    node = rng.choice([node for node in model.graph.node if node.attribute] or model.graph.node)
    if not node.attribute:
        return "no attribute"
    found = rng.choice(node.attribute)
    how = rng.randrange(5)
    if how == 0:
        found.i = rng.choice(DIMS)
    elif how == 1:
        found.f = rng.choice((0.0, float("nan"), 1e38, -1.0))
    elif how == 2:
        found.type = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8))
    elif how == 3:
        node.attribute.remove(found)
    else:
        found.name = rng.choice(NAMES)
    return f"attribute {found.name[:20]} of {node.op_type}: {how}"


def node(model: onnx.ModelProto, rng: random.Random) -> str:
    """A node lost, moved, of another operator or domain, or wired otherwise."""
    nodes = model.graph.node
    index = rng.randrange(len(nodes))
    found = nodes[index]
    how = rng.choice(("operator", "domain", "delete", "swap", "input", "version", "ir"))
    if how == "operator":
        found.op_type = rng.choice(OPERATORS)
    elif how == "domain":
        found.domain = rng.choice((*NAMES, "com.microsoft", "ai.onnx.ml"))
    elif how == "delete":
        del nodes[index]
    elif how == "swap":
        other = rng.randrange(len(nodes))
        first, second = onnx.NodeProto(), onnx.NodeProto()
        first.CopyFrom(nodes[index])
        second.CopyFrom(nodes[other])
        nodes[index].CopyFrom(second)
        nodes[other].CopyFrom(first)
    elif how == "input" and found.input:
        found.input[rng.randrange(len(found.input))] = rng.choice([name for node in nodes for name in node.output])
    elif how == "version":
        model.opset_import[0].version = rng.choice((0, 1, 17, 19, 99, -1, 2**62))
    else:
        model.ir_version = rng.choice((0, 1, 10, 11, 99, 2**62))
    return f"node {index}: {how}"


def weights(model: onnx.ModelProto, rng: random.Random) -> str:
    """An initialiser: other values, another type or shape, or bytes that do not fit."""
    floats = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT]
    tensor = rng.choice(floats or model.graph.initializer)
    values = numpy_helper.to_array(tensor).copy()
    how = rng.choice(("zero", "one", "small", "nan", "huge", "sign", "type", "dims", "bytes", "roll", "half", "tag"))
    place = rng.randrange(max(values.size, 1))
    if how in ("one", "small", "nan", "huge", "sign") and values.size and values.dtype == np.float32:
        flat = values.reshape(-1)
        flat[place] = {
            "one": flat[place] + rng.choice((1e-6, 1e-3, 0.1, 10)),
            "small": 1e-42,
            "nan": np.nan,
            "huge": 3e38,
            "sign": -flat[place],
        }[how]
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    elif how == "type":
        kind = rng.choice((np.float64, np.float16, np.int8, np.int64))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), tensor.name))
    elif how == "dims":
        tensor.dims.append(rng.choice(DIMS)) if rng.random() < 0.5 else tensor.dims.pop() if tensor.dims else None
    elif how == "bytes":
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    elif how == "tag":
        tensor.data_type = rng.choice((0, 2, 3, 6, 7, 8, 10, 11, 16, 22, 99))
    else:
        changed = {"zero": values * 0, "roll": np.roll(values, 1), "half": values * np.float32(0.5)}.get(how, values)
        tensor.CopyFrom(numpy_helper.from_array(changed.astype(values.dtype), tensor.name))
    return f"{how} in {tensor.name[:40]}"


def unused(model: onnx.ModelProto, rng: random.Random) -> str:
    """Nodes and weights that play no part; every second time the note says int8."""
    integers = numpy_helper.from_array(np.ones((600, 1000), np.int8), "integers")
    scale = numpy_helper.from_array(np.array(1, np.float32), "scale")
    model.graph.initializer.extend([integers, scale])
    model.graph.node.append(helper.make_node("DequantizeLinear", ["integers", "scale"], ["nobody"]))
    said = rng.random() < 0.5
    for entry in model.metadata_props if said else ():
        if entry.value == "float32":
            entry.value = "int8"
    return f"unused int8 weights{', said to be int8' if said else ''}"


def external(model: onnx.ModelProto, rng: random.Random) -> str:
    """Weights that lie elsewhere."""
    tensor = rng.choice(model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    place = rng.choice(("weights.bin", "/dev/zero", "/dev/stdin", "../x", "", "/", "a\x00b", "x" * 5000, "[/x]"))
    entries = {
        "location": place,
        "offset": rng.choice(("0", "-1", "9" * 30, "x")),
        "length": rng.choice(("4", "9" * 30)),
    }
    for key in rng.sample(list(entries), rng.randrange(1, 4)):
        tensor.external_data.add(key=key, value=entries[key])
    if rng.random() < 0.5:
        tensor.ClearField("raw_data")
    return f"external {place[:20]!r}"


def hungry(model: onnx.ModelProto, rng: random.Random) -> str:
    """A loop without an end or a tensor without a limit, whose result is added to an output, times 0."""
    graph, output = model.graph, model.graph.output[0].name
    constants = {
        "zero": np.array(0, np.float32),
        "trips": np.array(2**62),
        "go": np.array(True),
        "dims": np.array([2**30, 2]),
    }
    graph.initializer.extend(numpy_helper.from_array(value, f"hungry_{name}") for name, value in constants.items())
    for each in graph.node:
        for index, name in enumerate(each.output):
            if name == output:
                each.output[index] = "hungry_before"
    loop = rng.random() < 0.5
    if loop:
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["go_in"], ["go_out"]),
                helper.make_node("Add", ["value_in", "hungry_zero"], ["value_out"]),
            ],
            "body",
            [
                helper.make_tensor_value_info("trip", TensorProto.INT64, []),
                helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
                helper.make_tensor_value_info("value_in", TensorProto.FLOAT, []),
            ],
            [
                helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
                helper.make_tensor_value_info("value_out", TensorProto.FLOAT, []),
            ],
        )
        graph.node.append(helper.make_node("Loop", ["hungry_trips", "hungry_go", "hungry_zero"], ["hungry"], body=body))
    else:
        graph.node.append(helper.make_node("ConstantOfShape", ["hungry_dims"], ["hungry_all"]))
        graph.node.append(helper.make_node("ReduceSum", ["hungry_all"], ["hungry"], keepdims=0))
    graph.node.append(helper.make_node("Mul", ["hungry", "hungry_zero"], ["hungry_nothing"]))
    graph.node.append(helper.make_node("Add", ["hungry_before", "hungry_nothing"], [output]))
    return "a loop" if loop else "a tensor of 8 GiB"


def wrapped(model: onnx.ModelProto, rng: random.Random) -> str:
    """An output that is changed after it was computed: a little, much, or for some rows only."""
    graph, output = model.graph, rng.choice(model.graph.output).name
    for each in graph.node:
        for index, name in enumerate(each.output):
            if name == output:
                each.output[index] = "wrapped"
    how, amount = rng.choice(("Add", "Mul")), rng.choice((1e-7, 1e-4, 1e-2, 1.0))
    value = amount if how == "Add" else 1 + amount
    graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), "amount"))
    graph.node.append(helper.make_node(how, ["wrapped", "amount"], [output]))
    return f"{output}: {how} {value:g}"


def nested(model: onnx.ModelProto, rng: random.Random) -> str:
    """Graphs inside of graphs."""
    depth = rng.choice((3, 30, 90, 300))
    inner = helper.make_graph([helper.make_node("Identity", ["features"], ["a"])], "g", [], [])
    for _ in range(depth):
        outer = onnx.GraphProto(name="g")
        made = outer.node.add(op_type="If", input=["x"], output=["y"])
        made.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g.CopyFrom(inner)
        inner = outer
    model.graph.node.add(op_type="If", input=["x"], output=["unused"]).attribute.add(
        name="then_branch", type=onnx.AttributeProto.GRAPH
    ).g.CopyFrom(inner)
    return f"nested {depth} deep"


EDITS: tuple[Edit, ...] = (
    *(rename, note, shape, attribute, node, weights, unused, external, wrapped, note, weights, node),
    *(rename, shape, hungry, nested),
)


def damage(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Bits flipped, bytes lost, inserted or cut off."""
    how, at = rng.randrange(6), rng.randrange(len(content))
    if how == 0:
        return "cut", content[: rng.choice((0, 1, 16, at))]
    if how == 1:
        return "lost", content[:at] + content[at + rng.randrange(1, 100) :]
    if how == 2:
        return "inserted", content[:at] + rng.randbytes(rng.randrange(1, 20)) + content[at:]
    if how == 3:
        return "appended", content + rng.randbytes(rng.randrange(1, 100))
    if how == 4:
        return "twice", content + content
    # The graph stands before the weights and after them.
    at = rng.choice(
        (at, rng.randrange(min(3000, len(content))), len(content) - 1 - rng.randrange(min(6000, len(content))))
    )
    return f"bit of byte {at}", content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def make(rng: random.Random) -> Case:
    """A file with one to three changes, and beside an event file its tokenizer."""
    name = rng.choice(("character", "character", "event", "ner"))
    source = SAMPLES[name]
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    file, steps = FOLDER / source.name, [name]
    if name != "character":
        shutil.copy(source.parent / "tokenizer.json", FOLDER)
    content = source.read_bytes()
    if rng.random() < 0.75:
        model = onnx.ModelProto.FromString(content)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            try:
                steps.append(rng.choice(EDITS)(model, rng))
            except (ValueError, TypeError, IndexError) as error:  # an earlier change is in the way of this one
                steps.append(f"not changed: {error}"[:80])
        content = model.SerializeToString()
    else:
        step, content = damage(content, rng)
        steps.append(step)
    file.write_bytes(content)
    compared = rng.random() < 0.9
    if not compared:
        steps.append("no checkpoint")
    return Case(tuple(steps), lambda: verified(name, file, compared))


def verified(name: str, file: Path, compared: bool) -> Outcome:
    """What `verify-onnx` says of a file, and what is wrong with that."""
    report = FOLDER / "report.json"
    checkpoint = ("--checkpoint", str(RUNS[name])) if compared else ()
    limits = ("--time-limit", str(SECONDS), "--memory-limit", str(GIB))
    with at_most(LIMIT):
        result = invoke(main, str(file), *checkpoint, *limits, "--output", str(report))
    code, fault = str(result.exit_code), fault_of(result)
    if fault:
        return Outcome(code, result.output, fault)
    if not report.exists():
        return Outcome(code, result.output, "no report")
    if any(not (character.isprintable() or character == "\n") for character in result.output):
        return Outcome(code, result.output, "a raw control character")
    (told,) = json.loads(report.read_text(encoding="utf-8"))["files"]
    if (result.exit_code == 0) != told["passed"]:
        return Outcome(code, result.output, "the exit code is not the report's")
    return Outcome(code, result.output, wrongly_passed(name, file, told) if told["passed"] else "")


def wrongly_passed(name: str, file: Path, told: dict[str, Any]) -> str:
    """Why a file that passed ought not to have, or nothing. It has loaded and run in the sandbox before."""
    import onnxruntime
    import torch

    if not told["changes"] and not any(difference["against"] == "PyTorch" for difference in told["differences"]):
        return "passed, and nothing was compared"
    rng = np.random.default_rng(12345)
    if name == "character":
        from storyteller_exporter.character.cases import random_features

        feeds: dict[str, Any] = {"features": random_features(ROWS, rng)}
    else:
        ids = rng.integers(0, 100, (ROWS, 9))
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    with torch.inference_mode():
        outputs = reference(name)(*(torch.from_numpy(value) for value in feeds.values()))
    expected = {"logits": outputs} if isinstance(outputs, torch.Tensor) else outputs
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    atol, rtol = TOLERANCE[name]
    for output, values in expected.items():
        wanted = values.numpy()
        (found,) = session.run([output], feeds)
        allowed = atol + rtol * np.abs(wanted).max(axis=-1, keepdims=True)
        if not (np.abs(found - wanted) <= allowed).all():
            return f"passed, and {output} differs by {np.abs(found - wanted).max():.1e}"
    return ""


def reference(name: str) -> Any:
    """The PyTorch model of a run."""
    if name == "character":
        from storyteller_trainer.character.model.checkpoint import load_checkpoint

        return load_checkpoint(RUNS[name]).model
    from storyteller_trainer.events.model.checkpoint import load_event_checkpoint

    return load_event_checkpoint(RUNS[name] / name).model


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        write_character_data(place)
        write_event_data(place)
        RUNS = {"character": train_character(place), "event": train_events(place), "ner": place / "events"}
        folder = export_events(place)
        SAMPLES = {
            "character": export_character(place),
            "event": folder / "event_classifier.onnx",
            "ner": folder / "ner_classifier.onnx",
        }
        FOLDER = place / "spoilt"
        sys.exit(fuzz(__doc__ or "", make, 1000))
