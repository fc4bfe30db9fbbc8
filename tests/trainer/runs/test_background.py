"""Work beside the training: one piece at a time, and no error of it is lost."""

from __future__ import annotations

import threading
import time

import pytest
from storyteller_trainer.runs.background import Background


def test_one_piece_at_a_time_in_the_order_in_which_they_came() -> None:
    done: list[int] = []
    first_may_end = threading.Event()

    def first() -> None:
        first_may_end.wait(10)
        done.append(1)

    with Background() as background:
        background.do(first)
        assert done == []
        background.check()  # it has not ended, so there is nothing to say
        threading.Timer(0.05, first_may_end.set).start()
        background.do(lambda: done.append(2))
        assert done[0] == 1
        background.wait()
        assert done == [1, 2]


def fail() -> None:
    raise OSError("no space left")


def test_an_error_is_raised_once_where_it_is_asked_for() -> None:
    with Background() as background:
        background.do(fail)
        with pytest.raises(OSError, match="no space left"):
            background.do(lambda: None)
        background.do(fail)
        with pytest.raises(OSError, match="no space left"):
            background.wait()
        background.wait()
        ended = threading.Event()
        background.do(lambda: fail_after(ended))
        background.check()  # it has not ended
        ended.set()
        with pytest.raises(OSError, match="no space left"):
            check_until_it_raises(background)


def fail_after(event: threading.Event) -> None:
    event.wait(10)
    fail()


def check_until_it_raises(background: Background) -> None:
    for _ in range(1000):
        background.check()
        time.sleep(0.01)


def test_leaving_waits() -> None:
    done: list[int] = []

    def train() -> None:
        with Background() as background:
            background.do(lambda: done.append(1))
            raise ValueError("of the training")

    with pytest.raises(ValueError, match="of the training"):
        train()
    assert done == [1]
