"""The process in which a strange file is read, checked and run: `python -m storyteller_exporter.sandbox.child`.

It reads requests from stdin and answers on stdout, one after the other (messages.py), until stdin ends. What goes wrong
inside of a library comes back as an answer, or ends this process, and its parent tells how.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import Any, BinaryIO

from storyteller_exporter.sandbox.messages import (
    HEAD,
    LONGEST,
    NUMBERS,
    WRITTEN,
    Answer,
    Array,
    Done,
    Load,
    Outputs,
    Read,
    Refused,
    Request,
    Run,
    Tokenize,
    Validate,
    framed,
    packed,
    unpacked,
)

#: How the libraries say that there was no memory.
NO_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate memory", "Unable to allocate")
#: prctl: what this process gets when its parent ends (Linux).
PARENT_DEATH_SIGNAL = 1
#: Seconds of CPU beyond which the system ends it even if the parent is gone: so many times the limit for one request.
REQUESTS = 5


def limit(seconds: float, memory: int) -> None:
    """Has the system stop this process where its parent cannot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    import resource

    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: WRITTEN}
    if seconds < 1e9:
        limits[resource.RLIMIT_CPU] = int(REQUESTS * seconds) + 60
    if memory < 1 << 60:
        limits[resource.RLIMIT_AS] = memory
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        with suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


class Child:
    """Answers requests."""

    def __init__(self) -> None:
        self._session: Any = None

    def answer(self, request: Request) -> Answer:
        """Raises whatever the libraries raise."""
        match request:
            case Read(path):
                from storyteller_exporter.sandbox.graph_facts import facts

                return facts(path)
            case Validate(path):
                import onnx

                onnx.checker.check_model(path, full_check=True)
            case Load(path):
                from storyteller_exporter.onnx.session import start

                self._session = start(path)
            case Run(names, feeds):
                return Outputs([self._run(names, each) for each in feeds])
            case Tokenize(path, texts):
                _tokenize(path, texts)
        return Done()

    def _run(self, names: list[str], feeds: dict[str, Array]) -> dict[str, Array]:
        outputs = dict(zip(names, self._session.run(names, unpacked(feeds)), strict=True))
        for name, value in outputs.items():
            kind = getattr(getattr(value, "dtype", None), "kind", None)
            if kind is None or kind not in NUMBERS:
                raise ValueError(f"{name} holds no numbers, but {'text' if kind in ('O', 'U') else 'something else'}")
        return packed(outputs)


def _tokenize(path: str, texts: list[str]) -> None:
    """What is done with a tokenizer later, outside of this process."""
    from storyteller_schema.contract.events import MAX_SEQ_LENGTH
    from storyteller_trainer.events.model.tokenizer import normalised, read_tokenizer
    from tokenizers import Tokenizer

    read = read_tokenizer(path)
    for form in (read, normalised(read)):
        tokenizer = Tokenizer.from_str(form.to_str())
        tokenizer.get_vocab_size()
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_SEQ_LENGTH)
        tokenizer.encode_batch(texts)


def refusal(error: BaseException) -> Refused:
    """What went wrong, as an answer."""
    from storyteller_schema.common.one_line import one_line

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    memory = isinstance(error, MemoryError) or any(sign in text for sign in NO_MEMORY)
    return Refused(one_line(text, 500), memory)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers until there are no more requests."""
    import msgspec

    # Before they are needed: the parent is busy with imports of its own.
    import storyteller_exporter.onnx.session
    import storyteller_exporter.sandbox.graph_facts  # noqa: F401

    decoder = msgspec.msgpack.Decoder(Request)
    child = Child()
    while head := requests.read(HEAD):
        content = requests.read(int.from_bytes(head, "little"))
        try:
            answer = framed(child.answer(decoder.decode(content)))
            if len(answer) > LONGEST:
                raise ValueError(f"it gives {len(answer):,} bytes; no more than {LONGEST:,} are taken")
        except BaseException as error:  # a panic of a Rust library is no Exception
            answer = framed(refusal(error))
        answers.write(answer)
        answers.flush()


def main() -> None:
    """Called with the limits: seconds, bytes."""
    limit(float(sys.argv[1]), int(sys.argv[2]))
    # The libraries print to stdout, too: that goes to stderr, and the answers where stdout was.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
