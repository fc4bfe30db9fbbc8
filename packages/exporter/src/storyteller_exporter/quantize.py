"""Eight-bit weights: the same network in about a quarter of the bytes."""

from __future__ import annotations

import tempfile
from enum import Enum
from pathlib import Path

import onnx
from storyteller_schema.errors import StorytellerError

from storyteller_exporter.onnx_file import clean
from storyteller_exporter.torch_export import quiet


class Weights(Enum):
    """How weights are rounded. Both are right on every processor.

    Full-range signed weights, the usual choice, are not: processors without VNNI (before about 2020) add pairs of
    their products in 16 bits, which overflow. The file would be right here and silently wrong on a player's machine.
    """

    #: Unsigned, all eight bits, with a zero point for each channel. The most exact; in large layers a third as fast.
    UNSIGNED = "unsigned"
    #: Signed, seven of the eight bits: the products of a pair fit. The fastest.
    SEVEN_BITS = "seven bits"


def quantise(model: onnx.ModelProto, weights: Weights) -> onnx.ModelProto:
    """Dynamic quantisation of every matrix product, with one scale of the weights for each output channel.

    Activations are rounded to eight bits while the model runs, with one scale for the whole batch: a row's outputs
    depend a little on the rows beside it. The engine sends one row at a time, so that is how to judge the result.

    Raises:
        StorytellerError: ONNX Runtime's quantiser cannot take the model.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = onnx.ModelProto()
    source.CopyFrom(model)
    clean(source)  # its inferred shapes make the quantiser fail on a Gemm
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        try:
            with quiet():
                quantize_dynamic(
                    source,
                    target,
                    weight_type=QuantType.QUInt8 if weights is Weights.UNSIGNED else QuantType.QInt8,
                    reduce_range=weights is Weights.SEVEN_BITS,
                    per_channel=True,
                )
        except Exception as error:  # the library raises plain exceptions
            raise StorytellerError(f"ONNX Runtime could not quantise the model: {error}") from error
        return onnx.load(str(target))
