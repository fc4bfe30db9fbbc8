"""Frozen records that check their fields when they are made, and their JSON.

A number is held as the float32 nearest to it, because that is what the engine holds: what is encoded, decoded or sent
as JSON compares equal to what was put in. An enum may be given by its variant name.
"""

from __future__ import annotations

import math
import numbers
import struct
import types
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.enums import WireEnum

#: Checks the value of the field named by the first argument, and returns it as it is held.
Check = Callable[[str, Any], Any]

#: Counts are 32-bit unsigned in the engine.
COUNT_LIMIT = 2**32 - 1
_FLOAT32 = struct.Struct("<f")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen record; making one raises StorytellerError with the field and its value when a value is not allowed."""

    #: Whether NaN and infinities are refused.
    finite: ClassVar[bool] = True

    def __post_init__(self) -> None:
        owner = type(self)
        for name, check in _field_checks(owner):
            value = getattr(self, name)
            checked = check(f"{owner.__name__}.{name}", value)
            if checked is not value:
                msgspec.structs.force_setattr(self, name, checked)


RecordT = TypeVar("RecordT", bound=Record)


def to_json(record: Record) -> bytes:
    """A record as JSON: enums by variant name, fields by name.

    JSON has no NaN and no infinity: they become null, which `from_json` refuses.
    """
    return msgspec.json.encode(record)


def from_json(record_type: type[RecordT], content: bytes | str) -> RecordT:
    """Reads what `to_json`, or the engine's side, wrote.

    Raises:
        StorytellerError: the content is not JSON, or a field is missing, unknown or of a value that is not allowed.
    """
    try:
        return msgspec.json.decode(content, type=record_type)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise StorytellerError(f"{record_type.__name__} as JSON: {error}") from error


@cache
def _field_checks(record_type: type[Record]) -> tuple[tuple[str, Check], ...]:
    hints = get_type_hints(record_type)
    return tuple((name, _check_for(hints[name], record_type.finite)) for name in record_type.__struct_fields__)


def _check_for(hint: Any, finite: bool) -> Check:
    """The check that belongs to a field's type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is float:
        return _finite_float32 if finite else _float32
    if hint is int:
        return _count
    if hint is bool:
        return _flag
    if hint is str:
        return _text
    if origin is tuple:
        return _sequence_of(_check_for(arguments[0], finite))
    if origin is dict:
        return _mapping_of(_check_for(arguments[0], finite), _check_for(arguments[1], finite))
    if origin is types.UnionType:
        return _optional(_check_for(arguments[0], finite))
    if issubclass(hint, WireEnum):
        return _member_of(hint)
    return _instance_of(hint)


def _float32(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise StorytellerError(f"{where} is {value!r}; expected a number")
    try:
        rounded: float = _FLOAT32.unpack(_FLOAT32.pack(float(value)))[0]
    except OverflowError as error:
        raise StorytellerError(f"{where} is {value!r}, too large for a float32") from error
    return rounded


def _finite_float32(where: str, value: Any) -> float:
    rounded = _float32(where, value)
    if not math.isfinite(rounded):
        raise StorytellerError(f"{where} is {value!r}; expected a finite number")
    return rounded


def _count(where: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 0 <= int(value) <= COUNT_LIMIT:
        raise StorytellerError(f"{where} is {value!r}; expected a whole number from 0 to {COUNT_LIMIT}")
    return int(value)


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise StorytellerError(f"{where} is {value!r}; expected True or False")
    return value


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise StorytellerError(f"{where} is {value!r}; expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise StorytellerError(f"{where} is {value!r}, which UTF-8 cannot write") from error
    return value


def _member_of(enum: type[WireEnum]) -> Check:
    def check(where: str, value: Any) -> WireEnum:
        try:
            return enum(value)
        except ValueError as error:
            raise StorytellerError(f"{where} is {value!r}; expected one of {', '.join(enum.labels())}") from error

    return check


def _instance_of(expected: type) -> Check:
    def check(where: str, value: Any) -> Any:
        if not isinstance(value, expected):
            raise StorytellerError(f"{where} is {value!r}; expected {expected.__name__}")
        return value

    return check


def _optional(check: Check) -> Check:
    return lambda where, value: None if value is None else check(where, value)


def _sequence_of(check: Check) -> Check:
    def check_all(where: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (tuple, list)):
            raise StorytellerError(f"{where} is {value!r}; expected a list or a tuple")
        return tuple(check(f"{where}[{index}]", item) for index, item in enumerate(value))

    return check_all


def _mapping_of(check_key: Check, check_value: Check) -> Check:
    def check_all(where: str, value: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise StorytellerError(f"{where} is {value!r}; expected a mapping")
        return {check_key(f"{where} key", k): check_value(f"{where}[{k}]", v) for k, v in value.items()}

    return check_all
