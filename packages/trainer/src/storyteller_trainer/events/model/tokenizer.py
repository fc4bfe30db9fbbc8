"""One form for every encoder's tokenizer, so that the engine and this workspace see the same tokens and offsets.

What is normalised: padding and truncation, which some published `tokenizer.json` files bake in, are switched off (who
calls the tokenizer decides them), and a token's offsets never include the blank before its word. Byte-level tokenizers
(ModernBERT) and SentencePiece ones (DeBERTa) carry that blank in the token, and would count it into its offsets: every
predicted entity would begin one byte too early.

What is composed: within and at the end of a word, a letter and a mark that Unicode has one character for (`e` and
U+0308) are that character to the tokenizer, and the token ends behind the mark. The library's own NFC step lets it end
before the mark, and so does taking accents off. A word's first letter is left alone: the step that composes would let
its token begin at the mark.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

# The database as of Unicode 3.2, the same in every Python: a tokenizer's hash must not depend on who made it.
from unicodedata import ucd_3_2_0 as unicode

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.common.files import StrPath
from tokenizers import Tokenizer


def _parts(step: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    """The steps of a pre-tokenizer or post-processor, whether it is one step or a sequence."""
    if step is None:
        return []
    return list(step[key]) if step["type"] == "Sequence" else [step]


def normalised(tokenizer: Tokenizer) -> Tokenizer:
    """A copy without padding and truncation whose offsets leave out the blank before a word."""
    document = json.loads(tokenizer.to_str())
    document["padding"] = None
    document["truncation"] = None
    before = _parts(document["pre_tokenizer"], "pretokenizers")
    kinds = [step["type"] for step in before]
    if "ByteLevel" in kinds:
        after = _parts(document["post_processor"], "processors")
        if not any(step["type"] == "ByteLevel" for step in after):
            trim = before[kinds.index("ByteLevel")] | {"trim_offsets": True}
            document["post_processor"] = {"type": "Sequence", "processors": [trim, *after]}
    if "Metaspace" in kinds and "WhitespaceSplit" not in kinds:
        # Words are split off first, without their blanks; Metaspace then marks each one as it would have.
        place = kinds.index("Metaspace")
        marked = before[place] | {"prepend_scheme": "always"}
        steps = [*before[:place], {"type": "WhitespaceSplit"}, marked, *before[place + 1 :]]
        document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    return Tokenizer.from_str(json.dumps(document))


@cache
def _composing() -> dict[str, Any]:
    """A normaliser that puts one character for a letter and its mark, in the form of `tokenizer.json`.

    Replacing is the one step of the library that reaches over the mark. It takes the mark's place in the text for the
    new character, which is why a letter must stand before.
    """
    steps: list[tuple[int, str, str]] = []
    # Behind U+3000 are scripts without blanks, where any letter may begin a word.
    for letter in map(chr, range(0x3000)):
        parts = unicode.decomposition(letter).split()
        if len(parts) != 2 or parts[0].startswith("<") or unicode.normalize("NFC", letter) != letter:
            continue
        first, mark = (chr(int(part, 16)) for part in parts)
        if unicode.category(first).startswith("L"):
            # A letter of two marks is composed of one with the first mark, which comes before it.
            steps.append((len(unicode.normalize("NFD", letter)), f"(?<=[\\p{{L}}\\p{{M}}]){first}{mark}", letter))
    return {
        "type": "Sequence",
        "normalizers": [
            {"type": "Replace", "pattern": {"Regex": pattern}, "content": letter}
            for _, pattern, letter in sorted(steps)
        ],
    }


def composed(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that composes letters and marks before anything else; offsets stay those of the text as it is given."""
    document = json.loads(tokenizer.to_str())
    before, own = _composing(), document["normalizer"]
    if before in (own, *_parts(own, "normalizers")[:1]):
        return tokenizer
    document["normalizer"] = {"type": "Sequence", "normalizers": [before, *([own] if own else [])]}
    return Tokenizer.from_str(json.dumps(document))


def read_tokenizer(path: StrPath) -> Tokenizer:
    """A `tokenizer.json`, as it is.

    Raises:
        StorytellerError: the file is missing or is no tokenizer.
    """
    path = Path(path)
    if not path.is_file():
        raise StorytellerError(f"{path}: no such file; expected the tokenizer that belongs to the model")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises the bare class
        raise StorytellerError(f"{path}: not a tokenizer.json that the tokenizers library reads: {error}") from error
