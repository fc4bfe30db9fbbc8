"""One form for every encoder's tokenizer, so that the engine and this workspace see the same tokens and offsets.

What is normalised: padding and truncation, which some published `tokenizer.json` files bake in, are switched off (who
calls the tokenizer decides them), and a token's offsets never include the blank before its word. Byte-level tokenizers
(ModernBERT) and SentencePiece ones (DeBERTa) carry that blank in the token, and would count it into its offsets: every
predicted entity would begin one byte too early.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
