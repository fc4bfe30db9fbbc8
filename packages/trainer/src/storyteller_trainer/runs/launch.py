"""Several processes of one command on this machine: starting them, ending them, and having one tell what is wrong.

They find each other by a file that only this user can read, and talk over the loopback interface. So nothing that other
machines can reach listens, and nothing that came from a socket is unpickled, as torchrun's own rendezvous does. Runs on
several machines are started by torchrun all the same (docs/scale.md says what listens then).

A process ends when the one that started it is gone, however that ended: it would train on, and nobody could stop it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from storyteller_schema.common import ctrl_c
from storyteller_schema.common.errors import StorytellerError, WrongValue
from storyteller_schema.common.files import private_folder

#: Variables by which `launch` tells a process where the others are to be found, and who has started it. Its number and
#: how many there are stand in those that torchrun sets, too.
STORE = "RUN_STORE_FILE"
LAUNCHER = "RUN_LAUNCHER_PID"
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
#: Seconds between two looks at the processes.
PAUSE = 0.05
#: Seconds in which the others may end by themselves when one has failed: they are told by their closed connections.
GRACE = 5.0
#: What the kernel calls the wish for a signal when the parent is gone (linux/prctl.h).
_PR_SET_PDEATHSIG = 1


def is_one_of_several() -> bool:
    """Whether this process is one of those that `launch` or torchrun started."""
    return STORE in os.environ or "TORCHELASTIC_RUN_ID" in os.environ


def is_first_here() -> bool:
    """Whether this is the first, or the only, process of its machine."""
    return not is_one_of_several() or os.environ["LOCAL_RANK"] == "0"


@contextmanager
def one_voice() -> Iterator[None]:
    """Ends a process in silence where the first one of its machine ends with the same error and prints it."""
    try:
        yield
    except (StorytellerError, KeyboardInterrupt) as error:
        if is_first_here():
            raise
        code = ctrl_c.EXIT_CODE if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, WrongValue) else 1
        raise SystemExit(code) from None


def join() -> None:
    """To be called first by a process of several: has it end with the one that started it, and answer Ctrl-C."""
    ctrl_c.answer()
    if is_one_of_several():
        end_with(int(os.environ.get(LAUNCHER, os.getppid())))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def end_with(parent: int) -> None:
    """Has this process end at once when its parent is gone: by the kernel on Linux, elsewhere within half a second."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was gone before
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def launch(processes: int, module: str, arguments: Sequence[str]) -> int:
    """Runs `python -m MODULE ARGUMENTS` in several processes of this machine; the module has to call `join` first.

    Ctrl-C and SIGTERM are handed on to all of them.

    Returns:
        The exit code: 0, that of the process that failed first (which has said why), or 128 and the signal's number.

    Raises:
        StorytellerError: a process was killed.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    workers: list[subprocess.Popen[bytes]] = []
    handlers = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with private_folder("processes") as folder:
            try:
                for rank in range(processes):
                    workers.append(_start(rank, processes, folder / "store", [module, *arguments]))
                failed = _wait(workers, received)
            finally:
                ended_here = _end(workers)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    codes = [worker.returncode for worker in workers]
    if received and any(codes):
        return 128 + received[0]
    for rank, code in enumerate(codes):
        if code < 0 and rank not in ended_here:
            raise StorytellerError(
                f"process {rank} of {processes} was ended by {signal.Signals(-code).name}; "
                f"complete epochs are saved, and --resume goes on from there"
            )
    return 0 if failed is None else codes[failed]


def _start(rank: int, processes: int, store: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        STORE: str(store),
        LAUNCHER: str(os.getpid()),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        # What gloo and NCCL listen on.
        "GLOO_SOCKET_IFNAME": LOOPBACK,
        "NCCL_SOCKET_IFNAME": LOOPBACK,
    }
    # Held back until `join`: while Python starts, Ctrl-C would be a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        # In a session of its own, so that Ctrl-C at a terminal comes once, from here.
        return subprocess.Popen(
            [sys.executable, "-m", *words], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(workers: Sequence[subprocess.Popen[bytes]], received: list[int]) -> int | None:
    """Waits until all have ended, or one has failed and the others had their time; the number of the one that failed.

    Args:
        received: signals to hand on, in the order in which they come.
    """
    handed_on = 0
    failed, deadline = None, 0.0
    while None in [worker.poll() for worker in workers]:
        for number in received[handed_on:]:
            for worker in workers:
                worker.send_signal(number)
            handed_on += 1
        if failed is None:
            failed, deadline = _failed(workers), time.monotonic() + GRACE
        elif time.monotonic() > deadline:
            break
        time.sleep(PAUSE)
    return _failed(workers) if failed is None else failed


def _failed(workers: Sequence[subprocess.Popen[bytes]]) -> int | None:
    return next((rank for rank, worker in enumerate(workers) if worker.returncode), None)


def _end(workers: Sequence[subprocess.Popen[bytes]]) -> set[int]:
    """Ends those that are still there; their numbers."""
    left = {rank for rank, worker in enumerate(workers) if worker.poll() is None}
    for rank in left:
        workers[rank].terminate()
    for rank in left:
        try:
            workers[rank].wait(GRACE)
        except subprocess.TimeoutExpired:
            workers[rank].kill()
            workers[rank].wait()
    return left
