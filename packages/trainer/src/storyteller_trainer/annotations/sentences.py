"""Texts to sentences, by sentencex; nothing of the text is lost, and offsets stay what they were."""

from __future__ import annotations

from collections.abc import Iterator

#: What sentencex calls the language; the engine's text is English.
LANGUAGE = "en"


def sentence_places(text: str) -> Iterator[tuple[int, int]]:
    """Start and end, in characters, of each sentence, without the blanks around it.

    Raises:
        ModuleNotFoundError: sentencex, of the extra `events`, is not installed.
    """
    from sentencex import segment

    position = 0
    for piece in segment(LANGUAGE, text):
        start = text.index(piece, position)  # pieces come in order and lose nothing
        position = start + len(piece)
        stripped = piece.strip()
        if stripped:
            begin = start + piece.index(stripped)
            yield begin, begin + len(stripped)


def line_places(text: str) -> Iterator[tuple[int, int]]:
    """The same for lines."""
    position = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            begin = position + line.index(stripped)
            yield begin, begin + len(stripped)
        position += len(line)
