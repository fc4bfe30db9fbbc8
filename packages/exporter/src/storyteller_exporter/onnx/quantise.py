"""Eight-bit weights for the event models: the same network in about a quarter of the bytes, and faster."""

from __future__ import annotations

import onnx
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import private_folder

from storyteller_exporter.onnx.file import clean
from storyteller_exporter.onnx.torch_export import quiet


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Dynamic quantisation of every matrix product, with one scale of the weights for each output channel.

    Weights are signed and take seven of the eight bits. All eight, the usual choice, are wrong on processors without
    VNNI (before about 2020): these add pairs of products in 16 bits, which overflow. The file would be right here and
    silently wrong on a player's machine.

    Activations are rounded to eight bits while the model runs, with one scale for the whole batch: a row's outputs
    depend a little on the rows beside it. The engine sends one row at a time, so that is how to judge the result.

    Raises:
        StorytellerError: ONNX Runtime's quantiser cannot take the model.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = onnx.ModelProto()
    source.CopyFrom(model)
    clean(source)  # its inferred shapes make the quantiser fail on a Gemm
    with private_folder("int8") as folder:
        target = folder / "int8.onnx"
        try:
            with quiet():
                quantize_dynamic(source, target, weight_type=QuantType.QInt8, reduce_range=True, per_channel=True)
        except Exception as error:  # the library raises plain exceptions
            raise StorytellerError(f"ONNX Runtime could not quantise the model: {error}") from error
        return onnx.load(str(target))
