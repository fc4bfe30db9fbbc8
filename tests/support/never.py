"""A function that fails the test which calls it."""

from __future__ import annotations

from typing import Any


def never(*args: Any, **options: Any) -> Any:
    """Takes the place of what a test expects not to be called."""
    raise AssertionError("not to be called")
