"""What a process under measurement says about itself: events with their times, and its peak memory at the end."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any


class EventLog:
    """One JSON object a line: the event, `time` (seconds since the epoch, a clock that processes share) and more.

    Closing it notes `end`, with the peak of the process's resident memory.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def note(self, event: str, **more: Any) -> None:
        """Writes down an event that happens now."""
        print(json.dumps({"event": event, "time": time.time(), **more}), file=self._file)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.note("end", peak_bytes=peak_memory())
        self._file.close()


def peak_memory() -> int:
    """The most memory, in bytes, that was ever resident of this process."""
    # What getrusage gives on Linux includes the parent's memory at the fork, so the kernel's own count comes first.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_events(path: Path) -> list[dict[str, Any]]:
    """All events of a log, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
