"""The inputs on which an event or entity file is tried. Shapes: B sentences, S tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from storyteller_schema.contract.events import MAX_SEQ_LENGTH
from storyteller_trainer.events.data.encoding import Encoded, collate

from storyteller_exporter.checks.parity import Case

#: The engine's own batch of one, and one with padding in it.
BATCHES = (1, 4)
LENGTHS = (1, 2, 17, 64, MAX_SEQ_LENGTH)
#: The padded case that is compared with its sentences one by one: long enough for several lengths, and cheap.
SINGLES = (4, 17)
#: At most this many real sentences are compared with PyTorch, evenly spaced over the file.
REAL_SENTENCES = 8
#: Ids are drawn below this where no tokenizer says how many there are; every vocabulary in use is larger.
SMALL_VOCABULARY = 100
SEED = 128


def events_cases(vocabulary: int | None, real: Sequence[Encoded] = ()) -> list[Case]:
    """Random tokens in every batch size and length, and real sentences as the engine pads them.

    Args:
        vocabulary: number of token ids; None when unknown.
    """
    rng = np.random.default_rng(SEED)
    size = vocabulary or SMALL_VOCABULARY
    cases = []
    for batch in BATCHES:
        for length in LENGTHS:
            # One sentence fills the whole length; the engine pads the others on the right.
            lengths = np.append(length, rng.integers(1, length + 1, batch - 1))
            mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
            ids = rng.integers(0, size, (batch, length)) * mask
            cases.append(_case(f"batch {batch}, length {length}", ids, mask, singles=(batch, length) == SINGLES))
    if real:
        batch_of_all = collate(real, MAX_SEQ_LENGTH)
        ids, mask = batch_of_all.input_ids.numpy(), batch_of_all.attention_mask.numpy()
        cases.append(_case(f"real, batch {len(real)}, padded to {MAX_SEQ_LENGTH}", ids, mask, singles=True))
    return cases


def _case(name: str, ids: np.ndarray, mask: np.ndarray, *, singles: bool) -> Case:
    return Case(name, {"input_ids": ids, "attention_mask": mask}, singles=singles, valid=mask == 1)
