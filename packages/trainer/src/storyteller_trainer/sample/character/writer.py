"""The training file and its manifest."""

from __future__ import annotations

import gzip
import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import orjson
from storyteller_schema.common.files import StrPath, atomic_path
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.fingerprint import fingerprint
from storyteller_schema.contract.predictions import PREDICTIONS

from storyteller_trainer.character.data.chunks import examples_hash
from storyteller_trainer.character.data.manifest import Manifest, manifest_path
from storyteller_trainer.reading.jsonl import check_name
from storyteller_trainer.sample.character.generate import SampleChunk, Totals, draw_chunks
from storyteller_trainer.sample.character.plan import Plan
from storyteller_trainer.sample.character.streams import ID_STREAM, stream

#: Packs 15,000 examples (44 MB) to 10.8 MB in 0.5 s; the default level 9 to 8.3 MB in 7.3 s.
GZIP_LEVEL = 1


def write_dataset(plan: Plan, output: StrPath, progress: Callable[[int], None] = lambda examples: None) -> Manifest:
    """Generates the examples of a plan into a JSONL file (gzip when it ends in `.gz`), with its manifest beside it.

    Both files are complete under temporary names before either is renamed into place, and the manifest names its
    examples by their hash: killed between the two renames, this leaves an old manifest that is known to be of other
    data. The same plan gives the same bytes, but for the time in the manifest.

    Args:
        plan: from `make_plan`.
        output: ends in `.jsonl` or `.jsonl.gz`.
        progress: called with the number of examples of each chunk that has been written.

    Raises:
        StorytellerError: another ending, a place that cannot be written to, or every example was rejected.
    """
    output = Path(output)
    check_name(output)
    totals = Totals(plan)
    cells = _cell_objects(plan)
    digests = bytearray()
    with atomic_path(manifest_path(output)) as manifest_temporary, atomic_path(output) as data_temporary:
        with _opened(data_temporary, compressed=output.suffix == ".gz") as file:
            for number, chunk in enumerate(draw_chunks(plan)):
                random_bytes = stream(plan.config.seed, ID_STREAM, number).bytes
                file.write(b"".join(_lines(chunk, cells, random_bytes, digests)))
                totals.add(chunk)
                progress(len(chunk.features) + chunk.rejected)
        totals.require_some()
        manifest = make_manifest(plan, totals, examples_hash(np.frombuffer(digests, np.uint64)))
        manifest_temporary.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def make_manifest(plan: Plan, totals: Totals, hash_of_all: str) -> Manifest:
    """The manifest of a plan whose chunks have all been counted.

    Args:
        hash_of_all: see `examples_hash`.
    """
    return Manifest(
        total_generated=totals.valid + totals.rejected,
        total_valid=totals.valid,
        total_rejected=totals.rejected,
        mean_coherence=totals.mean_coherence,
        matrix_coverage=totals.cells / plan.available,
        input_features=FEATURES.size,
        output_features=PREDICTIONS.size,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=plan.config.seed,
        genre=plan.config.genre,
        cells=totals.cells,
        min_coherence=plan.config.min_coherence,
        schema_fingerprint=fingerprint(),
        examples_hash=hash_of_all,
        irreducible_loss=totals.irreducible,
        best_accuracy=totals.best_accuracy,
    )


def _cell_objects(plan: Plan) -> list[dict[str, Any]]:
    """The `cell` of the examples of each cell."""
    descriptors, columns = plan.descriptors, plan.cells
    return [
        {
            "archetype_a": descriptors.archetypes[a].id,
            "archetype_b": descriptors.archetypes[b].id,
            "dynamic": descriptors.dynamics[dynamic].id,
            "a_is_role_a": bool(role),
            "profile": descriptors.profiles[profile].id,
            "genre": plan.config.genre,
        }
        for a, b, dynamic, profile, role in zip(
            columns.archetype_a,
            columns.archetype_b,
            columns.dynamic,
            columns.profile,
            columns.a_is_role_a,
            strict=True,
        )
    ]


def _lines(
    chunk: SampleChunk, cells: list[dict[str, Any]], random_bytes: Callable[[int], bytes], digests: bytearray
) -> Iterator[bytes]:
    """One JSON object a line. Numbers are written with the fewest digits that give the same float32 again.

    The first eight bytes of each content hash are added to `digests`.
    """
    both = np.concatenate([chunk.features, chunk.labels], axis=1).astype("<f4", copy=False)
    ids = random_bytes(16 * len(both))
    for i, (values, cell, variation, score) in enumerate(
        zip(both, chunk.cells.tolist(), chunk.variations.tolist(), chunk.coherence.tolist(), strict=True)
    ):
        content_hash = hashlib.sha256(values.data)
        digests += content_hash.digest()[:8]
        yield orjson.dumps(
            {
                "id": str(uuid.UUID(bytes=ids[16 * i : 16 * i + 16], version=4)),
                "cell": cells[cell],
                "variation": variation,
                "features": values[: FEATURES.size],
                "labels": values[FEATURES.size :],
                "coherence_score": score,
                "content_hash": content_hash.hexdigest(),
            },
            option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE,
        )


@contextmanager
def _opened(path: Path, *, compressed: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with path.open("wb") as file:
        if not compressed:
            yield file
            return
        # No name and no time in the header: the same content gives the same bytes.
        with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed:
            yield packed
