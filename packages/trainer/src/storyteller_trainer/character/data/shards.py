"""Several training files as one dataset.

The files are put together in the order of their content hashes, and the hash of the whole is the SHA-256 over these
in that order. So neither the names of the files nor the order in which they are given changes a run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from storyteller_schema.common.files import StrPath

from storyteller_trainer.character.data.chunks import count_duplicates
from storyteller_trainer.character.data.dataset import CACHE, CharacterDataset, load_dataset
from storyteller_trainer.character.data.manifest import Ceiling
from storyteller_trainer.character.data.parallel_parsing import fill_cache
from storyteller_trainer.character.data.rows import Stacked
from storyteller_trainer.reading.jsonl import CHARACTER_MAKER, check_file, without_copies


def load_shards(
    files: Iterable[StrPath], cache_dir: StrPath | None = CACHE, notify: Callable[[str], None] = lambda line: None
) -> CharacterDataset:
    """Reads and checks one or more training files, each by itself kept in the cache; compressed copies of others not.

    Args:
        notify: called with lines for the user.

    Raises:
        StorytellerError: the first thing that is wrong with a file.
    """
    cache_dir = None if cache_dir is None else Path(cache_dir)
    paths = [Path(file) for file in files]
    for path in paths:
        check_file(path, CHARACTER_MAKER)
    paths = without_copies(paths, notify)
    if cache_dir:
        fill_cache(paths, cache_dir, notify)
    parts = [load_dataset(path, cache_dir) for path in paths]
    return parts[0] if len(parts) == 1 else join_datasets(parts)


def join_datasets(parts: Sequence[CharacterDataset]) -> CharacterDataset:
    """One dataset of several; no values are copied."""
    parts = sorted(parts, key=lambda part: part.content_hash)
    names = tuple(sorted({name for part in parts for name in part.cell_names}))
    position = {name: index for index, name in enumerate(names)}
    cells = [np.array([position[name] for name in part.cell_names], np.int32)[part.cells] for part in parts]
    digests = np.concatenate([part.digests for part in parts])
    return CharacterDataset(
        path=Path(os.path.commonpath([part.path.parent.resolve() for part in parts])),
        files=tuple(file for part in parts for file in part.files),
        features=Stacked([np.asarray(part.features) for part in parts]),
        labels=Stacked([np.asarray(part.labels) for part in parts]),
        cells=np.concatenate(cells),
        cell_names=names,
        digests=digests,
        content_hash=hashlib.sha256("".join(part.content_hash for part in parts).encode()).hexdigest(),
        duplicates=count_duplicates(digests),
        ceiling=_joint_ceiling(parts),
        notices=tuple(dict.fromkeys(notice for part in parts for notice in part.notices)),
    )


def _joint_ceiling(parts: Sequence[CharacterDataset]) -> Ceiling:
    """The ceiling of all examples: the mean of the parts' own, weighted by examples, where every part tells one."""
    told = [part.ceiling for part in parts]
    thresholds = {each.min_coherence for each in told}
    threshold = thresholds.pop() if len(thresholds) == 1 else None
    terms = [each.terms for each in told if each.terms is not None]
    if len(terms) < len(parts):
        return Ceiling(min_coherence=threshold)
    shares = [len(part) / sum(map(len, parts)) for part in parts]

    def mean(figures: Sequence[dict[str, float]]) -> dict[str, float]:
        common = [name for name in figures[0] if all(name in each for each in figures)]
        return {name: sum(share * each[name] for share, each in zip(shares, figures, strict=True)) for name in common}

    return Ceiling(
        terms=mean(terms), best_accuracy=mean([each.best_accuracy for each in told]), min_coherence=threshold
    )
