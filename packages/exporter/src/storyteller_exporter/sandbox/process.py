"""The parent's side: starts the process, asks it, and says how it ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TypeVar

import msgspec
from storyteller_schema.common.files import naming_what_failed, private_folder
from storyteller_schema.common.one_line import one_line

from storyteller_exporter.sandbox.limits import Limits
from storyteller_exporter.sandbox.messages import HEAD, LONGEST, WRITTEN, Answer, Refused, Request, framed

#: A file that has ended its process so often is not tried again.
DEATHS = 3
#: More threads would do nothing here but take address space.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MALLOC_ARENA_MAX": "2",
}
A = TypeVar("A")


class RefusedError(Exception):
    """A library refused what was asked for; the process is as it was."""

    def about(self, path: Path) -> str:
        """The reason, with the file that it is about, which not every library names."""
        reason = str(self)
        return reason if str(path) in reason else f"{path}: {reason}"


class StoppedError(RefusedError):
    """The process ended, or was ended at a limit."""


class Sandbox:
    """A process for what belongs to one file, started when it is first needed and again when it has ended.

    Use as a context manager: nothing is left running.
    """

    def __init__(self, limits: Limits) -> None:
        """
        Args:
            limits: `Limits.for_file`, so that none is missing.
        """
        assert limits.seconds is not None
        assert limits.memory is not None
        self.limits = limits
        self.seconds: float = limits.seconds
        self.memory: int = limits.memory
        self._folder = ExitStack()
        #: Gone with the sandbox: for files to lie alone in.
        self.folder = Path(tempfile.gettempdir())
        #: How often the process has ended by itself or at a limit.
        self.deaths = 0
        self._left: dict[type[Request], float] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> Sandbox:
        with naming_what_failed(self.folder):
            self.folder = self._folder.enter_context(private_folder("onnx"))
        try:
            with naming_what_failed(self.folder):
                self._start()  # it imports its libraries while the parent imports others
        except BaseException:
            self._folder.close()
            raise
        return self

    def __exit__(self, *about: object) -> None:
        self._end()
        self._folder.close()

    def ask(self, request: Request, expected: type[A]) -> A:
        """Has the process answer.

        Args:
            expected: the kind of answer that there is to such a request.

        Raises:
            RefusedError: it cannot be done.
            StoppedError: it took too long or too much, or ended the process.
        """
        if self.deaths >= DEATHS:
            raise StoppedError(f"not tried: the file has ended its process {DEATHS} times")
        left = self._left.get(type(request), self.seconds)
        if left <= 0:
            raise StoppedError(f"not tried: {self._too_long()}")
        begun = time.monotonic()
        try:
            answer = self._exchange(framed(request), left)
        finally:
            self._left[type(request)] = left - (time.monotonic() - begun)
        if isinstance(answer, Refused):
            needs = f"more memory is needed than the limit of {self.memory / 2**30:.1f} GiB (--memory-limit): "
            raise RefusedError(f"{needs if answer.memory else ''}{answer.reason}")
        if not isinstance(answer, expected):
            raise self._ended("answers what it was not asked")
        return answer

    def _exchange(self, request: bytes, seconds: float) -> Answer:
        process = self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        until = time.monotonic() + seconds
        size = int.from_bytes(self._read(process, HEAD, until), "little")
        if size > LONGEST:
            raise self._ended("answers at too great a length")
        content = self._read(process, size, until)
        try:
            answer: Answer = msgspec.msgpack.decode(content, type=Answer)
        except msgspec.DecodeError:
            raise self._ended("answers what cannot be read") from None
        return answer

    def _read(self, process: subprocess.Popen[bytes], count: int, until: float) -> bytes:
        assert process.stdout is not None
        descriptor, found = process.stdout.fileno(), bytearray()
        while len(found) < count:
            left = min(until - time.monotonic(), 3600.0)
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                if time.monotonic() < until:
                    continue
                raise self._ended(f"stopped: {self._too_long()}")
            part = os.read(descriptor, min(count - len(found), 1 << 20))
            if not part:
                raise self._ended()
            found += part
        return bytes(found)

    def _too_long(self) -> str:
        return f"it takes more than {self.seconds:,.0f} s (--time-limit)"

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in _end
            # -P: what lies in the working directory is not imported.
            command = [sys.executable, "-P", "-m", "storyteller_exporter.sandbox.child"]
            self._process = subprocess.Popen(
                [*command, str(self.seconds), str(self.memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=os.environ | ENVIRONMENT,
                start_new_session=True,
            )
        return self._process

    def _end(self) -> tuple[int | None, str]:
        """Ends the process; how it had ended before, if it had, and what it said last."""
        process, errors = self._process, self._errors
        self._process = self._errors = None
        if process is None or errors is None:
            return None, ""
        code = process.poll()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):  # a request was under way
                stream.close()
        with errors:
            errors.seek(0)
            lines = [line.strip() for line in errors.read(WRITTEN).decode(errors="replace").splitlines()]
        said = [line for line in lines if line]
        return code, one_line(said[-1], 300) if said else ""

    def _ended(self, reason: str | None = None) -> StoppedError:
        """The error that says how it ended.

        Args:
            reason: why it is ended, where it has not ended by itself.
        """
        self.deaths += 1
        if reason is None and self._process is not None:
            self._process.wait()  # it has closed its end of the pipe
        code, said = self._end()
        if reason is not None:
            return StoppedError(reason)
        if code == -signal.SIGXCPU:
            return StoppedError(f"stopped: {self._too_long()}")
        how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return StoppedError(f"it ended the process in which it was tried ({how}){f': {said}' if said else ''}")
