"""Several processes of one command: starting them by `torchrun`, and having one of them tell the user what is wrong."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from storyteller_schema.common import ctrl_c
from storyteller_schema.common.errors import StorytellerError, WrongValue


def started_by_torchrun() -> bool:
    """Whether this process is one of those that torchrun started."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_first_here() -> bool:
    """Whether this is the first, or the only, process of its machine."""
    return not started_by_torchrun() or os.environ["LOCAL_RANK"] == "0"


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


def launch(processes: int, module: str, arguments: Sequence[str]) -> int:
    """Runs `python -m MODULE ARGUMENTS` in several processes of this machine, as `torchrun --standalone` does.

    Returns:
        The exit code: 0, that of the process that failed first (which has said why), or 130 after Ctrl-C.

    Raises:
        StorytellerError: a process was killed.
    """
    with ctrl_c.ending_at_once():
        import torch
        from torch.distributed.elastic.multiprocessing.api import SignalException
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.run import parse_args, run

    # How many threads a process can choose from. torchrun would say 1.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    flags = ["--standalone", "--nproc-per-node", str(processes), "-m", module]
    # What torchrun logs is how it ends the other processes; this process has nothing else to log.
    logging.disable(logging.ERROR)
    try:
        run(parse_args([*flags, *arguments]))  # type: ignore[no-untyped-call]
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        first, _ = error.get_first_failure()
        # The rest are ended by torchrun, with SIGTERM.
        killed = [rank for rank, code in codes.items() if code < 0 and code != -signal.SIGTERM]
        if killed or codes[first] < 0:
            rank = killed[0] if killed else first
            raise StorytellerError(
                f"process {rank} of {processes} was ended by {signal.Signals(-codes[rank]).name}; "
                f"complete epochs are saved, and --resume goes on from there"
            ) from error
        return codes[first]
    finally:
        logging.disable(logging.NOTSET)
    return 0
