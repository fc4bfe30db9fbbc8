"""The errors that every user's mistake becomes: one readable message, never a traceback."""

from __future__ import annotations

from collections.abc import Sequence


class StorytellerError(Exception):
    """Something the user can mend: the message names file, line, field and value, and says what to do."""

    def __init__(self, message: str, *, details: Sequence[str] = ()) -> None:
        """
        Args:
            message: one line.
            details: each a line of its own below it.
        """
        super().__init__("\n".join([message, *details]))
        #: The message and its details; what the data brought into one of them may hold line breaks, too.
        self.lines = (message, *details)


class WrongValue(StorytellerError):
    """What was asked for makes no sense, whatever the work would bring: a value out of range, a file that is missing.

    A command tells it as wrong use, with exit code 2, and names the options.
    """

    def __init__(self, message: str, *names: str) -> None:
        """
        Args:
            names: of the arguments that are to blame, as the code calls them (`learning_rate`).
        """
        super().__init__(message)
        self.names = names


def first_line(error: Exception) -> str:
    """What a library says went wrong, without its stack traces and listings."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
