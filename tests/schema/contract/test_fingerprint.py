"""The fingerprints: frozen, moved by every change that reaches the wire and by no other."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from storyteller_schema.contract import events, fingerprint, rules
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.layout import Field, Layout, Region
from storyteller_schema.contract.predictions import PREDICTIONS


@pytest.fixture(autouse=True)
def forget_fingerprints() -> Iterator[None]:
    fingerprint.fingerprint.cache_clear()
    fingerprint.event_fingerprint.cache_clear()
    yield
    fingerprint.fingerprint.cache_clear()
    fingerprint.event_fingerprint.cache_clear()


def test_the_fingerprints_are_sha256_in_hex_and_differ() -> None:
    assert re.fullmatch("[0-9a-f]{64}", fingerprint.fingerprint())
    assert re.fullmatch("[0-9a-f]{64}", fingerprint.event_fingerprint())
    assert fingerprint.fingerprint() != fingerprint.event_fingerprint()


def test_the_fingerprints_of_this_version() -> None:
    # Caches, checkpoints and exported files carry them: a change makes all of those useless, and raises the version.
    assert fingerprint.SCHEMA_VERSION == 1
    assert fingerprint.fingerprint() == "afc515d0ca1797cfa0595a10b927d3a8800c3a452a14bcb74e2e8199871113c7"
    assert fingerprint.event_fingerprint() == "cff2e62412ff14deb7ca102471b6e45382650230b8ea3d1ac1190e532c9abf34"


def _changed(layout: Layout, index: int, **changes: object) -> Layout:
    regions = list(layout.regions)
    old = regions[index]
    values = {"name": old.name, "description": old.description, "fields": old.fields, "slot_labels": old.slot_labels}
    regions[index] = Region(**{**values, **changes})  # type: ignore[arg-type]
    return Layout(*regions)


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (0, {"name": "axes"}),
        (0, {"slot_labels": tuple("0123456789abcdeg")}),
        (4, {"fields": tuple(reversed(FEATURES.regions[4].fields))}),
        (4, {"fields": (*FEATURES.regions[4].fields, Field("weather"))}),
    ],
    ids=["region name", "slot labels", "field order", "field added"],
)
def test_a_change_of_the_inputs_moves_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch, index: int, changes: dict[str, object]
) -> None:
    before = fingerprint.fingerprint()
    fingerprint.fingerprint.cache_clear()
    monkeypatch.setattr(fingerprint, "FEATURES", _changed(FEATURES, index, **changes))
    assert fingerprint.fingerprint() != before


def test_the_order_of_the_heads_moves_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint.fingerprint()
    fingerprint.fingerprint.cache_clear()
    monkeypatch.setattr(fingerprint, "PREDICTIONS", Layout(*reversed(PREDICTIONS.regions)))
    assert fingerprint.fingerprint() != before


def test_a_description_is_free_text(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint.fingerprint()
    fingerprint.fingerprint.cache_clear()
    monkeypatch.setattr(fingerprint, "FEATURES", _changed(FEATURES, 0, description="Said otherwise"))
    assert fingerprint.fingerprint() == before


@pytest.mark.parametrize("name", ["BINARY_CUT", "DELTA_FLOOR"])
def test_a_decode_rule_moves_the_fingerprint(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = fingerprint.fingerprint()
    fingerprint.fingerprint.cache_clear()
    monkeypatch.setattr(rules, name, 0.25)
    assert fingerprint.fingerprint() != before


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_SEQ_LENGTH", 64), ("EVENT_THRESHOLD", 0.4), ("BIO_LABELS", tuple(reversed(events.BIO_LABELS)))],
)
def test_the_event_contract_moves_its_own_fingerprint_only(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = fingerprint.event_fingerprint(), fingerprint.fingerprint()
    fingerprint.event_fingerprint.cache_clear()
    fingerprint.fingerprint.cache_clear()
    monkeypatch.setattr(events, name, value)
    assert fingerprint.event_fingerprint() != before[0]
    assert fingerprint.fingerprint() == before[1]
