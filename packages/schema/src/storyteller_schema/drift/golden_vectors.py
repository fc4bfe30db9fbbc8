"""Golden vectors: fixed inputs and what one side's code makes of them, so that behaviour is compared.

The inputs stand in the JSON beside the results. Whoever checks runs its own code on them and compares every float, as
float32, and every field. JSON has no NaN and no infinity: both sides write null for a number that is not finite, and
null in an input is read as NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import zip_longest
from typing import Any

import msgspec

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.features import FEATURES, encode_features
from storyteller_schema.contract.predictions import PREDICTIONS, decode_outputs
from storyteller_schema.contract.record import to_json
from storyteller_schema.contract.schema_json import DecodeVector, EncodeVector, SchemaDocument, read_document
from storyteller_schema.drift.facts import Facts, Topic, Value, as_float32

ENCODE = Topic("golden vectors", "encode")
DECODE = Topic("golden vectors", "decode")


@cache
def reference_document() -> SchemaDocument:
    """The schema that the Rust reference crate exported, as it is committed."""
    name = "reference_schema.json"
    return read_document((files(__package__) / name).read_bytes(), name)


def with_our_vectors(document: SchemaDocument, inputs: SchemaDocument) -> SchemaDocument:
    """A document with golden vectors made by this package's code on the inputs of another document."""
    encode = inputs.golden_encode and tuple(
        EncodeVector(scenario=vector.scenario, features=tuple(encode_features(vector.scenario).tolist()))
        for vector in inputs.golden_encode
    )
    decode = inputs.golden_decode and tuple(
        DecodeVector(outputs=vector.outputs, prediction=_decoded(vector.outputs, f"golden_decode[{number}].outputs"))
        for number, vector in enumerate(inputs.golden_decode)
    )
    return msgspec.structs.replace(document, golden_encode=encode, golden_decode=decode)


def _decoded(outputs: tuple[float | None, ...], where: str) -> dict[str, Any]:
    numbers = [math.nan if output is None else output for output in outputs]
    if len(numbers) != PREDICTIONS.size:
        raise StorytellerError(f"{where}: {len(numbers)} numbers; expected {PREDICTIONS.size}")
    # By way of JSON, so that what is not finite becomes what JSON makes of it.
    prediction: dict[str, Any] = msgspec.json.decode(to_json(decode_outputs(numbers)))
    return prediction


def add_vector_facts(facts: Facts, document: SchemaDocument) -> None:
    """Adds every float and every field of a document's golden vectors."""
    for number, vector in enumerate(document.golden_encode or ()):
        for name, value in zip_longest(FEATURES.float_names, vector.features, fillvalue="(one more)"):
            facts.add(ENCODE, f"golden_encode[{number}].features {name}", as_float32(value))
    for number, decoded in enumerate(document.golden_decode or ()):
        for path, field in _leaves(decoded.prediction):
            facts.add(DECODE, f"golden_decode[{number}].prediction {path}", as_float32(field))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Value]]:
    """Dotted path and value of everything in nested mappings; a list is one value, an empty mapping too.

    What is no number is its JSON, so that a list of one name is not that name, and 1 is not true.
    """
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value
    else:
        yield path, json.dumps(value, ensure_ascii=False)
