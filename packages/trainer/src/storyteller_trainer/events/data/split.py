"""Which examples train, which choose the epoch, and which two sets are kept for the final score.

One trained model is scored on two sets that it never saw. Whole skeletons (or templates, where the data names them) are
set aside first, some of every event kind: the unseen skeletons. Of what remains, single examples are drawn, stratified
by primary kind: the random set, whose sentences are new but made as those in training are. What a model scores better
on the second than on the first is what it merely memorised.

The epoch is chosen on a third, separate set, drawn as `Strategy` says; no score that is reported was ever looked at for
that. The parts depend on the seed and the texts alone: not on the order of the file, the task or the encoder. The
unseen skeletons are the same under either strategy. What is marked `train_only` trains, and so does whatever has its
text or skeleton; the shares are of the rest.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.events import EventKind

from storyteller_trainer.events.data.example import EventExample
from storyteller_trainer.events.data.skeleton import skeleton, split_group, text_key
from storyteller_trainer.events.data.strategy import Strategy

#: The held-out sets of a run folder, by the part of the split that they hold.
HELD_OUT = {"random": "held_out_random.jsonl", "skeletons": "held_out_skeletons.jsonl"}

#: The share of each kind's examples that the unseen skeletons hold, as near as whole skeletons allow.
SKELETON_SHARE = 0.15
#: The share of each kind's remaining examples in the random set, and likewise in the validation set.
RANDOM_SHARE = 0.1


@dataclass(frozen=True)
class Split:
    """The four parts of a data set. Together they hold every example once."""

    train: list[EventExample]
    validation: list[EventExample]
    #: Held out: new sentences of skeletons that are in training.
    random: list[EventExample]

    #: Held out: skeletons that are not in training.
    skeletons: list[EventExample]


def split(examples: list[EventExample], strategy: Strategy, seed: int) -> Split:
    """Splits a data set.

    Equal texts (see `text_key`) stay together, so that no sentence is both trained on and scored, and so do skeletons
    that share a text. A kind with one skeleton keeps it in training, and with two gives one to the unseen and none to
    validation.

    Raises:
        StorytellerError: a part would be empty.
    """
    grouped = _joined(examples)
    training = {grouped(example) for example in examples if example.train_only}
    free = [example for example in examples if grouped(example) not in training]
    rest, skeletons = _draw_groups(free, grouped, SKELETON_SHARE, seed, "skeletons")
    if strategy is Strategy.SKELETON:
        rest, validation = _draw_groups(rest, grouped, SKELETON_SHARE, seed, "validation")
        rest, random = _draw_groups(rest, _text, RANDOM_SHARE, seed, "random")
    else:
        rest, random = _draw_groups(rest, _text, RANDOM_SHARE, seed, "random")
        rest, validation = _draw_groups(rest, _text, RANDOM_SHARE / (1 - RANDOM_SHARE), seed, "validation")
    rest += [example for example in examples if grouped(example) in training]
    parts = Split(rest, validation, random, skeletons)
    for name in ("train", "validation", "random", "skeletons"):
        if not getattr(parts, name):
            raise StorytellerError(
                f"the {name} part of the split is empty: {len(examples)} examples have "
                f"{len({grouped(example) for example in examples})} skeletons; more varied data is needed"
            )
    return parts


def _text(example: EventExample) -> str:
    return text_key(example.text)


def _joined(examples: Iterable[EventExample]) -> Callable[[EventExample], str]:
    """The group of an example: its `split_group`, joined with every other that has one of its texts or skeletons.

    One text may be annotated in two ways, and of two equal ones only one may name its template. A joint group goes by
    the first of its names in the alphabet.
    """
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for example in examples:
        group = ("group", split_group(example))
        for other in (("text", text_key(example.text)), ("skeleton", skeleton(example.text, example.entities))):
            # "group" comes first in the alphabet too: the root of a joint group is the least of its groups.
            least, greater = sorted((root(group), root(other)))
            parents[greater] = least
    return lambda example: root(("group", split_group(example)))[1]


def _draw_groups(
    examples: list[EventExample], group: Callable[[EventExample], str], share: float, seed: int, part: str
) -> tuple[list[EventExample], list[EventExample]]:
    """Takes whole groups out of every kind, in an order drawn by hashing, until `share` of its examples is reached.

    A group's kind is the primary kind of most of its examples. Each kind keeps at least one group. Both results are in
    the order of `examples`.
    """
    members: dict[str, list[EventExample]] = defaultdict(list)
    for example in examples:
        members[group(example)].append(example)
    by_kind: dict[EventKind | None, list[str]] = defaultdict(list)
    for key, group_members in members.items():
        by_kind[_usual_kind(group_members)].append(key)
    taken: set[str] = set()
    for keys in by_kind.values():
        keys.sort(key=lambda key: _draw(seed, part, key))
        wanted = share * sum(len(members[key]) for key in keys)
        count = 0
        for key in keys[1:]:
            # The group that crosses the mark is taken only if that comes nearer to it than stopping.
            if count and count + len(members[key]) / 2 > wanted:
                continue
            taken.add(key)
            count += len(members[key])
            if count >= wanted:
                break
    kept = [example for example in examples if group(example) not in taken]
    return kept, [example for example in examples if group(example) in taken]


def _usual_kind(examples: Iterable[EventExample]) -> EventKind | None:
    """None where nobody annotated kinds."""
    kinds = [example.event_kinds[0] for example in examples if example.event_kinds]
    return max(EventKind, key=kinds.count) if kinds else None


def _draw(seed: int, part: str, key: str) -> bytes:
    """A number that looks random and depends on nothing but the seed, the part and the key."""
    return hashlib.sha256(f"{seed}\0{part}\0{key}".encode()).digest()
