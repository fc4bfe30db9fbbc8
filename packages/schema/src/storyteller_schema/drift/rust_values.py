"""Evaluates what `rust_source.py` found: integer expressions, arrays of strings and enum discriminants."""

from __future__ import annotations

import re

from tree_sitter import Node

from storyteller_schema.drift.rust_source import (
    Constant,
    RustEnum,
    RustSource,
    Unreadable,
    child_of,
    meaningful,
    text_of,
)

_INTEGER = re.compile(r"(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*?)(?:_?[ui](?:8|16|32|64|128|size))?")


def integer(source: RustSource, constant: Constant) -> int:
    """The value of a constant.

    Raises:
        Unreadable: the expression is not one of integers, constants, `+ - * / %`, parentheses, casts, `.len()` of an
            array of strings and `Enum::Variant as usize`.
    """
    return _evaluate(source, constant.value, constant, ())


def _evaluate(source: RustSource, node: Node, inside: Constant, above: tuple[Constant, ...]) -> int:
    match node.type:
        case "integer_literal":
            literal = _INTEGER.fullmatch(text_of(node))
            if literal:
                digits = literal[1].replace("_", "")
                return int(digits, 0) if digits[1:2] in tuple("xob") else int(digits)
        case "parenthesized_expression":
            return _evaluate(source, meaningful(node)[0], inside, above)
        case "type_cast_expression":
            return _evaluate(source, child_of(node, "value"), inside, above)
        case "binary_expression":
            left = _evaluate(source, child_of(node, "left"), inside, above)
            right = _evaluate(source, child_of(node, "right"), inside, above)
            operator = text_of(child_of(node, "operator"))
            if operator in ("/", "%") and right:
                return left // right if operator == "/" else left % right
            if operator in ("+", "-", "*"):
                return {"+": left + right, "-": left - right, "*": left * right}[operator]
        case "identifier" | "scoped_identifier":
            return _named(source, text_of(node).replace(" ", ""), inside, above)
        case "call_expression":
            called = re.fullmatch(r"(?:\w+::)*(\w+)\.len\(\)", text_of(node).replace(" ", ""))
            if called:
                return len(strings(source.find(called[1], inside.place.path)))
    raise Unreadable(f"cannot evaluate `{text_of(node)}` ({inside.place})")


def _named(source: RustSource, path: str, inside: Constant, above: tuple[Constant, ...]) -> int:
    """The value of `NAME`, `module::NAME`, `Type::NAME` or `Enum::Variant`."""
    *owners, last = path.split("::")
    owner = owners[-1] if owners else ""
    if owner == "Self":
        owner = inside.name.partition("::")[0]
    for enum in source.enums:
        if enum.name == owner and last in enum.variants:
            return discriminants(source, enum)[last]
    qualified = f"{owner}::{last}"
    constant = source.find(qualified if qualified in source.constants else last, inside.place.path)
    if constant in (inside, *above):
        raise Unreadable(f"`{constant.name}` refers to itself ({constant.place})")
    return _evaluate(source, constant.value, constant, (inside, *above))


def discriminants(source: RustSource, enum: RustEnum) -> dict[str, int]:
    """Variant name to its number: written out, or one more than that of the variant before.

    Raises:
        Unreadable: a discriminant cannot be evaluated.
    """
    numbers: dict[str, int] = {}
    following = 0
    for variant, node in enum.variants.items():
        if node is not None:
            following = integer(source, Constant(f"{enum.name}::{variant}", enum.place, node))
        numbers[variant] = following
        following += 1
    return numbers


def strings(constant: Constant) -> list[str]:
    """The elements of an array of string literals.

    Raises:
        Unreadable: the value is something else.
    """
    array = constant.value
    if array.type == "reference_expression":
        array = child_of(array, "value")
    if array.type != "array_expression":
        raise Unreadable(f"`{constant.text}` is not an array of strings ({constant.place})")
    return [_string(element, constant) for element in meaningful(array)]


def _string(node: Node, constant: Constant) -> str:
    parts = node.named_children
    if node.type not in ("string_literal", "raw_string_literal") or any(p.type != "string_content" for p in parts):
        raise Unreadable(f"`{text_of(node)}` is not a plain string ({constant.place})")
    return "".join((part.text or b"").decode() for part in parts)
