"""A sandbox without its process, for tests of what is asked of it: starting one takes most of a verification's time.

Everything else stays as it is: requests and answers go over as bytes, and what a library refuses comes back as a
refusal. Limits are not kept, and a file that ends its process ends the tests: files made to do that are given the
genuine sandbox (`own_process` in tests/exporter/conftest.py).
"""

from __future__ import annotations

from typing import TypeVar
from weakref import WeakKeyDictionary

import msgspec
import pytest
from storyteller_exporter.sandbox.child import Child, refusal
from storyteller_exporter.sandbox.messages import HEAD, Answer, Refused, Request, framed
from storyteller_exporter.sandbox.process import RefusedError, Sandbox

A = TypeVar("A")


def stay_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every sandbox answer by itself."""
    children: WeakKeyDictionary[Sandbox, Child] = WeakKeyDictionary()

    def ask(sandbox: Sandbox, request: Request, expected: type[A]) -> A:
        child = children.setdefault(sandbox, Child())
        try:
            told = framed(child.answer(msgspec.msgpack.decode(framed(request)[HEAD:], type=Request)))
        except Exception as error:
            told = framed(refusal(error))
        answer: Answer = msgspec.msgpack.decode(told[HEAD:], type=Answer)
        if isinstance(answer, Refused):
            raise RefusedError(answer.reason)
        assert isinstance(answer, expected)
        return answer

    monkeypatch.setattr(Sandbox, "__enter__", lambda sandbox: sandbox)
    monkeypatch.setattr(Sandbox, "ask", ask)
