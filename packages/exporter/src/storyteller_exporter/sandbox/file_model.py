"""A file that ONNX Runtime has loaded in the process of a sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from storyteller_exporter.sandbox.messages import Done, Load, Outputs, Run, packed, unpacked
from storyteller_exporter.sandbox.process import RefusedError, Sandbox


class FileModel:
    """Gives a file's outputs for inputs: a `Predictor` (parity.py)."""

    def __init__(self, sandbox: Sandbox, file: Path, names: Sequence[str]) -> None:
        """
        Args:
            sandbox: which has just loaded the file.
            file: to be loaded again when the process has ended.
            names: of the outputs that are asked for.
        """
        self._sandbox = sandbox
        self._file = file
        self._names = list(names)
        self._loaded = sandbox.deaths

    def __call__(self, feeds: Sequence[Mapping[str, NDArray[Any]]]) -> list[dict[str, NDArray[Any]]]:
        """The outputs by name, for each of the inputs; one call of the file each.

        Raises:
            RefusedError: ONNX Runtime refuses them, or a limit does.
        """
        if self._loaded != self._sandbox.deaths:
            self._sandbox.ask(Load(str(self._file)), Done)
            self._loaded = self._sandbox.deaths
        answer = self._sandbox.ask(Run(self._names, [packed(each) for each in feeds]), Outputs)
        try:
            return [unpacked(each) for each in answer.outputs]
        except (TypeError, ValueError) as error:
            raise RefusedError(f"gives no arrays: {error}") from error
