"""ONNX files as they lie on disk: reading, cleaning and writing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from storyteller_schema.contract.onnx import IR_VERSION, OPSET

#: The names under which the standard operators are known; anything else needs a library that the engine lacks.
STANDARD_DOMAINS = ("", "ai.onnx")


def read_model(path: StrPath) -> onnx.ModelProto:
    """The file's graph and the weights inside it; weights in other files are not loaded.

    Raises:
        StorytellerError: no such file, not readable, or not a complete ONNX file.
    """
    path = Path(path)
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise StorytellerError(
            f"{path}: cannot be read: {error.strerror}; export a model first, or name another file"
        ) from error
    except Exception as error:  # protobuf's own class, of a library that comes with onnx
        raise StorytellerError(
            f"{path} is not an ONNX file or not all of one ({path.stat().st_size:,} bytes); export it again"
        ) from error
    # Protobuf takes an empty file, and some text, for a message without content.
    if not model.graph.node or not model.opset_import:
        raise StorytellerError(f"{path} holds no ONNX graph ({path.stat().st_size:,} bytes); export it again")
    return model


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor stored in a graph, those of nested graphs and of constants included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from tensors(attribute.g)


def external_files(model: onnx.ModelProto) -> list[str]:
    """The names of the other files in which weights lie, as this file gives them."""
    names = {
        entry.value
        for tensor in tensors(model.graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(names)


def operators(model: onnx.ModelProto) -> set[tuple[str, str]]:
    """Every (domain, operator) of the graph and of the functions in the file."""

    def visit(nodes: Any) -> Iterator[tuple[str, str]]:
        for node in nodes:
            yield node.domain, node.op_type
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    yield from visit(attribute.g.node)

    found = set(visit(model.graph.node))
    for function in model.functions:
        found |= set(visit(function.node))
    return found


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the file asks for; 0 when it names none."""
    return next((entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS), 0)


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The file's key-value notes."""
    return {entry.key: entry.value for entry in model.metadata_props}


def clean(model: onnx.ModelProto) -> None:
    """Removes what the exporter notes about its own run, in place.

    Stack traces and paths of the exporting machine would make the bytes depend on where a model was exported, and
    the inferred shapes of inner values make ONNX Runtime's quantiser fail.
    """
    graph = model.graph
    del graph.value_info[:]
    for holder in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    used = {domain for domain, _ in operators(model)}
    kept = [entry for entry in model.opset_import if entry.domain in used or entry.domain in STANDARD_DOMAINS]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.doc_string = ""
    model.ir_version = IR_VERSION


def write_model(model: onnx.ModelProto, path: Path, notes: dict[str, str], *, limit: int | None = None) -> int:
    """Writes one complete file with `notes` as its metadata; the same model and notes give the same bytes.

    Whether the file is valid is left to the verification.

    Args:
        path: a file that is not in use (delivery.py).
        limit: the largest size in bytes that the file may have.

    Returns:
        Its size in bytes.

    Raises:
        StorytellerError: the model is not an opset-18 model in one file, or it is larger than `limit`.
    """
    clean(model)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, notes)
    if opset(model) != OPSET:
        raise StorytellerError(f"the export came out in opset {opset(model)} instead of {OPSET}")
    if others := external_files(model):
        raise StorytellerError(f"the export put weights into other files: {', '.join(others)}")
    content = model.SerializeToString(deterministic=True)
    if limit is not None and len(content) > limit:
        raise StorytellerError(f"the exported model has {len(content):,} bytes; it may have {limit:,}")
    path.write_bytes(content)
    return len(content)
