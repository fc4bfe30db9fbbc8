"""ONNX files: tracing, rounding, writing and reading them."""
