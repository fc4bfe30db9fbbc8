"""Rust's integers: types with a width, division that truncates, casts that wrap, and overflow that rustc refuses."""

from __future__ import annotations

import re
from typing import NamedTuple

from storyteller_schema.drift.rust_syntax import Unjudged, Unreadable

#: Bits of the integer types; the engine runs on 64-bit machines.
_BITS = {"8": 8, "16": 16, "32": 32, "64": 64, "128": 128, "size": 64}
#: What a literal becomes that nothing gives a type.
DEFAULT_TYPE = "i32"
_LITERAL = re.compile(r"(0x|0o|0b)?([0-9a-fA-F_]*?)_?([ui](?:8|16|32|64|128|size))?")
_HEXADECIMAL = re.compile(r"0x([0-9a-fA-F_]*)()([ui](?:8|16|32|64|128|size))?")
_BASES = {"0x": 16, "0o": 8, "0b": 2, "": 10}
#: More digits than this are beyond u128 in every base.
_MOST_DIGITS = 128


class Integer(NamedTuple):
    """A value and its type; None for a literal that has not got one yet."""

    value: int
    type: str | None


def is_integer_type(name: str) -> bool:
    """Whether that is the name of an integer type."""
    return re.fullmatch(r"[ui](?:8|16|32|64|128|size)", name) is not None


def literal(text: str) -> Integer:
    """An integer literal, its value not yet held against its type.

    Raises:
        Unjudged: rustc refuses it.
        Unreadable: it is none.
    """
    match = _HEXADECIMAL.fullmatch(text) if text.startswith("0x") else _LITERAL.fullmatch(text)
    if match is None:
        raise Unreadable(f"`{text[:40]}` is no integer")
    base = 16 if text.startswith("0x") else _BASES[match[1] or ""]
    digits = (match[1] if base == 16 else match[2]).replace("_", "").lstrip("0")
    if not re.search(r"\d|[a-f]", (match[1] if base == 16 else match[2]).lower()):
        raise Unjudged(f"`{text}` has no digits, so rustc refuses it")
    if len(digits) > _MOST_DIGITS:
        raise Unjudged(f"`{text[:20]}...` has {len(digits)} digits, more than any integer type holds")
    try:
        return Integer(int(digits or "0", base), match[3])
    except ValueError as error:
        raise Unjudged(f"`{text}` has a digit that base {base} has not, so rustc refuses it") from error


def checked(number: Integer, type_: str | None, what: str) -> Integer:
    """The number, of that type where it has none of its own.

    Raises:
        Unjudged: it does not fit, or is of another type, so rustc refuses it.
    """
    own = number.type or type_
    if type_ is not None and own != type_:
        raise Unjudged(f"`{what}` is {own} where {type_} is expected, so rustc refuses it")
    low, high = _range(own or "i128")
    if not low <= number.value <= (2**128 if own is None else high):
        raise Unjudged(f"`{what}` is beyond {own}, so rustc refuses it")
    return Integer(number.value, own)


def cast(number: Integer, target: str) -> Integer:
    """`number as target`: what does not fit wraps around."""
    bits = _width(target)
    value = number.value % 2**bits
    if target[0] == "i" and value >= 2 ** (bits - 1):
        value -= 2**bits
    return Integer(value, target)


def negated(number: Integer, what: str) -> Integer:
    """`-number`."""
    if number.type and number.type[0] == "u" and number.value:
        raise Unjudged(f"`{what}` negates an unsigned number, so rustc refuses it")
    return checked(Integer(-number.value, number.type), None, what)


def inverted(number: Integer) -> Integer:
    """`!number`, bit by bit."""
    type_ = number.type or DEFAULT_TYPE
    return cast(Integer(~number.value, type_), type_)


def binary(operator: str, left: Integer, right: Integer, what: str) -> Integer:
    """`left operator right`.

    Raises:
        Unjudged: it overflows, divides by zero or mixes types, so rustc refuses it.
        Unreadable: another operator.
    """
    if operator in ("<<", ">>"):
        return _shifted(operator, left, right, what)
    if left.type and right.type and left.type != right.type:
        raise Unjudged(f"`{what}` mixes {left.type} and {right.type}, so rustc refuses it")
    type_ = left.type or right.type
    a, b = left.value, right.value
    match operator:
        case "+":
            value = a + b
        case "-":
            value = a - b
        case "*":
            value = a * b
        case "/" | "%" if b == 0:
            raise Unjudged(f"`{what}` divides by zero, so rustc refuses it")
        case "/":
            value = _quotient(a, b)
        case "%":
            value = a - b * _quotient(a, b)
        case "&":
            value = a & b
        case "|":
            value = a | b
        case "^":
            value = a ^ b
        case _:
            raise Unreadable(f"cannot evaluate `{what}`")
    return checked(Integer(value, type_), None, what)


def _shifted(operator: str, left: Integer, right: Integer, what: str) -> Integer:
    type_ = left.type or DEFAULT_TYPE
    if not 0 <= right.value < _width(type_):
        raise Unjudged(f"`{what}` shifts by more than {type_} has bits, so rustc refuses it")
    return cast(
        Integer(left.value << right.value if operator == "<<" else left.value >> right.value, type_), type_
    )._replace(type=left.type)


def _quotient(a: int, b: int) -> int:
    """Towards zero; Python's goes down."""
    return -(abs(a) // abs(b)) if (a < 0) != (b < 0) else a // b


def _width(type_: str) -> int:
    return _BITS[type_[1:]]


def _range(type_: str) -> tuple[int, int]:
    bits = _width(type_)
    return (0, 2**bits - 1) if type_[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
