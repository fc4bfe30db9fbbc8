"""How much time and memory a strange file gets. Imports nothing heavy: the help of the commands states it."""

from __future__ import annotations

from dataclasses import dataclass

#: A file gets this much, and more as it is larger: a network of more weights runs longer. An int8 DistilBERT (67 MB)
#: is run on a thousand sentences to judge it, each some 40 ms, on a quiet machine.
BASE_SECONDS = 60.0
SECONDS_PER_MB = 2.0
#: ONNX Runtime holds a file two or three times while it loads it.
BASE_BYTES = 2 << 30
BYTES_PER_BYTE = 6

#: For the help of a command.
TIME = "a minute, and 2 s for each MB of the file"
MEMORY = "2 GiB, and six times the size of the file"


@dataclass(frozen=True)
class Limits:
    """What the process may take. Memory is limited where the system does it: on Linux, and not on macOS."""

    #: For reading, checking and loading the file each, and for all of its runs together; None without end.
    seconds: float | None = None
    #: Of address space; None as much as there is.
    memory: int | None = None

    def for_file(self, size: int) -> Limits:
        """The same, with the usual limits for a file of so many bytes where none is given."""
        seconds, memory = self.seconds, self.memory
        return Limits(
            BASE_SECONDS + SECONDS_PER_MB * size / 1e6 if seconds is None else seconds,
            BASE_BYTES + BYTES_PER_BYTE * size if memory is None else memory,
        )


#: For a file that this workspace has just written: whose graph is known, and whose machine may be a slow one.
UNLIMITED = Limits(float("inf"), 1 << 62)
