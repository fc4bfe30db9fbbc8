"""Reads one-hot functions: a match over an enum whose arms read `Enum::Variant => [1.0, 0.0, ..]`, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tree_sitter import Node

from storyteller_schema.drift.rust_attributes import Condition, condition
from storyteller_schema.drift.rust_source import OneHotFunction
from storyteller_schema.drift.rust_syntax import attributed, child_of, meaningful, of_type, place_of, text_of
from storyteller_schema.drift.rust_values import compiled, must_hold

#: A pattern that names one variant: `Variant`, `Enum::Variant`, `&path::Enum::Variant { .. }`; groups: enum, variant.
_VARIANT = re.compile(r"&?\s*(?:\w+\s*::\s*)*?(?:(\w+)\s*::\s*)?([A-Z]\w*)\s*(?:\{\s*\.\.\s*\}|\(\s*(?:\.\.|_)\s*\))?")


@dataclass
class OneHots:
    """What a one-hot function says."""

    #: The type names that the arms or the parameters mention.
    types: set[str] = field(default_factory=set)
    #: Variant to floats: of two arms for one variant the first, as in Rust.
    arms: dict[str, tuple[float, ...]] = field(default_factory=dict)
    #: What is there and not of this form, as written.
    unread: list[str] = field(default_factory=list)
    #: Arms that a default build leaves out, with the attribute.
    left_out: list[str] = field(default_factory=list)


def read_one_hots(function: OneHotFunction) -> OneHots:
    """The arms of a one-hot function.

    Raises:
        Unjudged: whether an arm is compiled cannot be told.
    """
    parameters = child_of(function.node, "parameters")
    found = OneHots({text_of(node) for node in of_type(parameters, "type_identifier")})
    if function.owner:
        found.types.add(function.owner)
    match = _only_match(function.node)
    if match is None:
        found.types |= {text_of(node) for node in of_type(child_of(function.node, "body"), "type_identifier")}
        body = text_of(child_of(function.node, "body"))
        found.unread.append(f"fn {function.name} {body if len(body) <= 80 else body[:77] + '...'}")
    else:
        _read_arms(found, match, function)
    found.types -= {"Self"}
    return found


def _read_arms(found: OneHots, match: Node, function: OneHotFunction) -> None:
    for arm, _ in attributed(child_of(match, "body")):
        if arm.type != "match_arm":
            continue
        inside = [node for node in arm.named_children if node.type == "attribute_item"]
        under: Condition = condition(inside, function.build)
        written = " ".join(text_of(child) for child in arm.children if child.type != "attribute_item").rstrip(", ")
        must_hold(under, place_of(arm, function.place.path), f"`{written}`")
        path = _VARIANT.fullmatch(text_of(child_of(arm, "pattern")))
        numbers = _numbers(child_of(arm, "value"), function)
        if under.holds is False:
            if not under.test_only:
                found.left_out.append(f"`{under.text} {written}` ({place_of(arm, function.place.path)})")
        elif path is None or numbers is None:
            found.unread.append(written)
        else:
            found.arms.setdefault(path[2], numbers)
        if path and path[1]:
            found.types.add(path[1])


def _only_match(function: Node) -> Node | None:
    """The match that a function consists of, over its parameter as it is; None when it does anything else.

    `use` may stand before it, and `let v = match ..; v` is the same thing.
    """
    body = child_of(function, "body")
    if any(node.type in ("attribute_item", "inner_attribute_item") for node in body.named_children):
        return None
    steps = [node for node in meaningful(body) if node.type != "use_declaration"]
    value = steps[0] if steps else None
    if len(steps) == 2 and steps[0].type == "let_declaration":
        pattern, value = steps[0].child_by_field_name("pattern"), steps[0].child_by_field_name("value")
        if pattern is None or text_of(pattern) != text_of(steps[1]):
            return None
    elif len(steps) != 1:
        return None
    while value is not None and value.type in ("expression_statement", "return_expression", "block"):
        inner = meaningful(value)
        value = inner[0] if len(inner) == 1 else None
    if value is None or value.type != "match_expression":
        return None
    subject = text_of(child_of(value, "value")).lstrip("*& ")
    parameters = meaningful(child_of(function, "parameters"))
    names = [text_of(node.child_by_field_name("pattern") or node).lstrip("&* ") for node in parameters]
    return value if len(names) == 1 and subject == names[0].removeprefix("mut ") else None


def _numbers(value: Node, function: OneHotFunction) -> tuple[float, ...] | None:
    """The elements of `[1.0, 0.0]`, also inside `{ }`; None for anything else."""
    while value.type in ("block", "expression_statement") and len(meaningful(value)) == 1:
        value = meaningful(value)[0]
    if value.type != "array_expression" or value.child_by_field_name("length"):
        return None
    elements = compiled(value, function.module, function.place.path)
    literals = [re.sub(r"_|f32|f64", "", text_of(element)) for element in elements]
    if not all(re.fullmatch(r"\d{1,30}\.?\d{0,30}", literal) for literal in literals):
        return None
    return tuple(float(literal) for literal in literals)


def names_enum(function: OneHotFunction, enum: str) -> bool:
    """Whether a function's name says that it is for that enum: `one_hot_action_type` for ActionType."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum).lower()
    return function.name == f"one_hot_{snake}"
