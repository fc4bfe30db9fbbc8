"""Checkpoint in, ONNX file that the engine loads out: export, verification and quantisation."""
