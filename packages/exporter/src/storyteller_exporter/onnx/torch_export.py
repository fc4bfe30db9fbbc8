"""PyTorch's exporter, called one way and kept quiet."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import onnx
import torch
from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.common.errors import StorytellerError, first_line
from storyteller_schema.contract.onnx import OPSET, Interface


@contextmanager
def quiet() -> Iterator[None]:
    """Holds back prints, warnings and log lines below ERROR; when the body raises, what was printed comes out."""
    printed = io.StringIO()
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(printed), redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception:
        sys.stderr.write(printed.getvalue())
        raise
    finally:
        logging.disable(disabled)


def export_module(module: torch.nn.Module, example: dict[str, torch.Tensor], interface: Interface) -> onnx.ModelProto:
    """The graph of `module`, weights inside, with the names and free axes of `interface`.

    Args:
        module: in eval mode, on CPU; its outputs in the order of the interface's.
        example: one tensor for each input; every free axis longer than 1, or the exporter takes its size for fixed.

    Raises:
        StorytellerError: PyTorch cannot export the module.
    """
    dynamic = {
        tensor.name: {axis: size for axis, size in enumerate(tensor.axes) if isinstance(size, str)}
        for tensor in interface.inputs
    }
    try:
        with quiet(), ending_at_once():  # it takes even KeyboardInterrupt for a failure, and tries another way
            program = torch.onnx.export(
                module,
                kwargs=example,
                input_names=interface.input_names,
                output_names=interface.output_names,
                dynamic_shapes=dynamic,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        raise StorytellerError(
            f"PyTorch {torch.__version__} could not export the {interface.name} model: {first_line(error)}"
        ) from error
    if program is None:  # documented for the other, older exporter only
        raise StorytellerError(f"PyTorch {torch.__version__} exported nothing")
    model: onnx.ModelProto = program.model_proto
    return model
