"""Evaluates what was declared: integer expressions, arrays of strings and enum discriminants."""

from __future__ import annotations

import re
from pathlib import Path

from tree_sitter import Node

from storyteller_schema.drift import rust_arithmetic as arithmetic
from storyteller_schema.drift.rust_arithmetic import Integer
from storyteller_schema.drift.rust_attributes import Condition, condition
from storyteller_schema.drift.rust_paths import Paths
from storyteller_schema.drift.rust_source import Constant, Module, RustEnum, RustSource, segments
from storyteller_schema.drift.rust_syntax import (
    Place,
    Unjudged,
    Unreadable,
    attributed,
    child_of,
    meaningful,
    place_of,
    text_of,
)

#: Levels of an expression, through the constants that it names. Python's own stack ends at about 1000 calls.
MAX_LEVELS = 150


class Values:
    """The values of a repository's constants; each is worked out once."""

    def __init__(self, source: RustSource) -> None:
        self.paths = Paths(source)
        self._known: dict[Constant, Integer] = {}
        self._open: list[Constant] = []
        self._levels = 0

    def integer(self, constant: Constant) -> int:
        """The value of a constant.

        Raises:
            Unreadable: the expression is not one of integers, constants, `+ - * / % << >> & | ^ - !`, parentheses,
                casts, `.len()` of an array of strings and `Enum::Variant as usize`.
            Unjudged: rustc refuses it, or which declaration holds cannot be told.
        """
        return self._constant(constant).value

    def _constant(self, constant: Constant) -> Integer:
        if constant in self._open:
            raise Unreadable(f"`{constant.name}` refers to itself ({constant.place})")
        if constant not in self._known:
            self._open.append(constant)
            try:
                type_ = constant.type if arithmetic.is_integer_type(constant.type) else None
                value = self._evaluate(constant.value, constant, type_)
                self._known[constant] = arithmetic.checked(value, type_, f"{constant.name} = {_shown(constant.value)}")
            except Unjudged as reason:
                raise _placed(reason, constant.place) from reason
            finally:
                self._open.pop()
        return self._known[constant]

    def find(self, module: Module, path: tuple[str, ...]) -> Constant:
        """The constant that a path means in a module.

        Raises:
            Unreadable: it leads to none that was read.
            Unjudged: it leads to several, or to one of which it cannot be told whether it is compiled.
        """
        found = self.paths.constants(module, path)
        name = "::".join(path)
        if not found:
            raise Unreadable(f"`{name}` is not declared in the Rust that was read")
        if len(found) > 1:
            places = ", ".join(str(constant.place) for constant, _ in found)
            raise Unjudged(f"{found[0][0].place}: `{name}` is declared more than once: {places}")
        constant, under = found[0]
        must_hold(under, constant.place, f"`{constant.name}`")
        return constant

    def _evaluate(self, node: Node, inside: Constant, expected: str | None) -> Integer:
        """The value of an expression; `expected` is the type that a literal gets from around it."""
        if self._levels >= MAX_LEVELS:
            raise Unjudged(f"{inside.place}: `{inside.name}` is more than {MAX_LEVELS} expressions deep")
        self._levels += 1
        try:
            return self._expression(node, inside, expected)
        finally:
            self._levels -= 1

    def _expression(self, node: Node, inside: Constant, expected: str | None) -> Integer:
        match node.type:
            case "integer_literal":
                return arithmetic.checked(arithmetic.literal(text_of(node)), expected, _shown(node))
            case "parenthesized_expression" if len(meaningful(node)) == 1:
                return self._evaluate(meaningful(node)[0], inside, expected)
            case "type_cast_expression":
                return self._cast(node, inside)
            case "unary_expression":
                return self._unary(node, inside, expected)
            case "binary_expression":
                operator = text_of(child_of(node, "operator"))
                left = self._evaluate(child_of(node, "left"), inside, expected)
                shift = operator in ("<<", ">>")
                right = self._evaluate(child_of(node, "right"), inside, None if shift else expected)
                return arithmetic.binary(operator, left, right, _shown(node))
            case "identifier" | "scoped_identifier":
                path = segments(node)
                return self._constant(self.find(inside.module, _without_self(path, inside)))
            case "call_expression":
                called = re.fullmatch(r"((?:\w+\s*::\s*)*\w+)\s*\.\s*len\s*\(\s*\)", text_of(node))
                if called:
                    path = tuple(part.strip() for part in called[1].split("::"))
                    array = self.find(inside.module, _without_self(path, inside))
                    return Integer(len(strings(array)), "usize")
        raise Unreadable(f"cannot evaluate `{_shown(node)}` ({inside.place})")

    def _cast(self, node: Node, inside: Constant) -> Integer:
        target, value = text_of(child_of(node, "type")), child_of(node, "value")
        if not arithmetic.is_integer_type(target):
            raise Unreadable(f"cannot evaluate `{_shown(node)}` ({inside.place})")
        if value.type == "integer_literal":  # takes the type of the cast, and wraps where that lint is off
            return arithmetic.cast(arithmetic.literal(text_of(value)), target)
        if value.type == "scoped_identifier":
            number = self._discriminant(segments(value), inside)
            if number is not None:
                return arithmetic.cast(Integer(number, None), target)
        number_ = self._evaluate(value, inside, None)
        untyped = arithmetic.DEFAULT_TYPE if number_.type is None else None
        return arithmetic.cast(arithmetic.checked(number_, untyped, _shown(value)), target)

    def _unary(self, node: Node, inside: Constant, expected: str | None) -> Integer:
        operand, sign = meaningful(node)[-1], text_of(node)[:1]
        if sign == "-" and operand.type == "integer_literal":  # `-128i8`, whose 128 alone would not fit
            literal = arithmetic.literal(text_of(operand))
            number = arithmetic.negated(literal._replace(type=literal.type or expected), _shown(node))
            return arithmetic.checked(number, expected, _shown(node))
        number = self._evaluate(operand, inside, expected)
        if sign == "-":
            return arithmetic.negated(number, _shown(node))
        if sign == "!":
            return arithmetic.inverted(number)
        raise Unreadable(f"cannot evaluate `{_shown(node)}` ({inside.place})")

    def _discriminant(self, path: tuple[str, ...], inside: Constant) -> int | None:
        """The number of `Enum::Variant`; None when the path names no variant of an enum that was read."""
        path = _without_self(path, inside)
        for enum in self.paths.enums(inside.module, path[:-1]):
            number = self.discriminants(enum).get(path[-1])
            if number is not None:
                return number
        return None

    def discriminants(self, enum: RustEnum) -> dict[str, int]:
        """Variant name to its number: written out, or one more than that of the variant before.

        Raises:
            Unreadable: a discriminant cannot be evaluated.
            Unjudged: whether a variant is compiled cannot be told, or two have one name or number.
        """
        must_hold(enum.condition, enum.place, f"enum `{enum.name}`")
        numbers: dict[str, int] = {}
        following = 0
        for variant, name, under in variants(enum):
            must_hold(under, place_of(variant, enum.place.path), f"`{enum.name}::{name}`")
            if under.holds is False:
                continue
            written = variant.child_by_field_name("value")
            if written is not None:
                place = place_of(variant, enum.place.path)
                discriminant = _Discriminant(f"{enum.name}::{name}", place, enum.module, under, variant)
                following = self._constant(discriminant).value
            if name in numbers or following in numbers.values():
                raise Unjudged(f"{enum.place}: enum `{enum.name}` has {name} or its number twice, so rustc refuses it")
            numbers[name] = following
            following += 1
        return numbers


class _Discriminant(Constant):
    """The number of a variant; its type is that of the enum, which the text seldom says."""

    @property
    def type(self) -> str:
        return ""


def variants(enum: RustEnum) -> list[tuple[Node, str, Condition]]:
    """The variants of an enum in order of declaration, each with its name and what it is compiled under."""
    return [
        (variant, text_of(child_of(variant, "name")), condition(attributes, enum.build))
        for variant, attributes in attributed(child_of(enum.node, "body"))
        if variant.type == "enum_variant"
    ]


def must_hold(under: Condition, place: Place, what: str) -> None:
    """Refuses what nobody can say of whether it is compiled.

    Raises:
        Unjudged: that is so.
    """
    if under.holds is None:
        raise Unjudged(f"{place}: whether {what} is compiled depends on `{under.text}`, which the source cannot tell")


def strings(constant: Constant) -> list[str]:
    """The elements of an array of string literals.

    Raises:
        Unreadable: the value is something else.
        Unjudged: whether an element is compiled cannot be told.
    """
    array = constant.value
    if array.type == "reference_expression":
        array = child_of(array, "value")
    if array.type != "array_expression" or array.child_by_field_name("length"):
        raise Unreadable(f"`{_shown(constant.value)}` is not an array of strings ({constant.place})")
    return [_string(element, constant) for element in compiled(array, constant.module, constant.place.path)]


def compiled(array: Node, module: Module, path: Path) -> list[Node]:
    """The elements of an array that a default build compiles.

    Raises:
        Unjudged: that cannot be told of one.
    """
    kept = []
    for element, attributes in attributed(array):
        under = condition(attributes, module.crate.build)
        must_hold(under, place_of(element, path), f"the element `{_shown(element)}`")
        if under.holds:
            kept.append(element)
    return kept


def _string(node: Node, constant: Constant) -> str:
    parts = node.named_children
    if node.type not in ("string_literal", "raw_string_literal") or any(p.type != "string_content" for p in parts):
        raise Unreadable(f"`{_shown(node)}` is not a plain string ({constant.place})")
    return "".join((part.text or b"").decode() for part in parts)


def _without_self(path: tuple[str, ...], inside: Constant) -> tuple[str, ...]:
    """`Self::NAME` with the type that the constant stands in."""
    owner = inside.name.partition("::")[0]
    return (owner, *path[1:]) if path[0] == "Self" else path


def _shown(node: Node) -> str:
    """An expression in a message: of a long one the beginning."""
    text = text_of(node)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _placed(reason: Unjudged, place: Place) -> Unjudged:
    """The reason with the place in front, where it has none yet."""
    text = str(reason)
    return reason if re.match(r"\S+:\d+: ", text) else Unjudged(f"{place}: {text}")
