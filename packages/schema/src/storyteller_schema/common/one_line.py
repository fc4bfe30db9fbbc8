"""Text from the user's data, made fit for a line on a terminal: nothing in it moves the cursor or hides the rest."""

from __future__ import annotations

import json
import re

#: Characters of a line; more than the longest message of ours, less than what a screen shows.
MOST = 2000

#: Controls of either kind, line and paragraph separators, whatever changes the direction of what is read, and halves
#: of characters, which no terminal can show.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with every character that would not be seen as an escape, as Python writes it."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str, most: int = MOST) -> str:
    """The text as one line of at most about so many characters.

    A longer one loses its middle: a message begins with its place and ends with what to do.
    """
    if len(text) > most:
        head, tail = most * 2 // 3, most // 3
        text = f"{text[:head]} [... {len(text) - head - tail:,} characters ...] {text[-tail:]}"
    return visible(text)


def json_escaped(text: str) -> str:
    """A line of JSON with the same characters as JSON's own escapes: the value stays the same."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)
