"""The error every user's mistake becomes: one readable message, never a traceback."""

from __future__ import annotations


class StorytellerError(Exception):
    """Something the user can mend: the message names file, line, field and value, and says what to do."""
