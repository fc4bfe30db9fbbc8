"""Whether data follow the engine's label rules: one verdict a rule, for a line, for `run.json` and for tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
from rich.table import Table

Verdict = Literal["follow", "differ", "cannot be told"]
FOLLOW: Verdict = "follow"
DIFFER: Verdict = "differ"
UNTOLD: Verdict = "cannot be told"

#: What is judged, each by itself.
ACTION_TYPE, ACTION_CONTEXT, VALENCE = "action type", "action context", "valence"
SPEECH_OCCURS, SPEECH_REGISTER = "speech occurs", "speech register"
AWARENESS, DOMINANT = "awareness", "dominant emotion"
DELTAS, SHIFTS = "deltas", "shifts"
CONFIDENCES, TARGET = "confidences", "target index"
RULES = (
    *(ACTION_TYPE, ACTION_CONTEXT, VALENCE, SPEECH_OCCURS, SPEECH_REGISTER, AWARENESS, DOMINANT, DELTAS, SHIFTS),
    *(CONFIDENCES, TARGET),
)


class RuleVerdict(msgspec.Struct, frozen=True):
    """What was found of one rule."""

    verdict: Verdict
    #: Where it is not `follow`, one sentence: what was found, how often, and what was expected; or what is not known.
    evidence: str = ""


class RulesReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of every rule."""

    #: Examples that were looked at.
    rows: int
    #: By rule, all of `RULES`.
    rules: dict[str, RuleVerdict]

    def of(self, verdict: Verdict) -> list[str]:
        """The rules that were judged so."""
        return [name for name, found in self.rules.items() if found.verdict == verdict]

    @property
    def follow(self) -> bool:
        """Whether every rule is known to hold."""
        return len(self.of(FOLLOW)) == len(self.rules)

    @property
    def differ(self) -> bool:
        """Whether a rule is known not to hold."""
        return bool(self.of(DIFFER))

    def line(self) -> str:
        """All of it in a few words."""
        if self.follow:
            return "labels follow the engine's rules"
        parts = [f"{words}: {', '.join(self.of(verdict))}" for verdict, words in _WORDS if self.of(verdict)]
        return "labels against the engine's rules: " + "; ".join(parts)

    def evidence(self) -> Iterator[str]:
        """A line for each rule that is known not to hold."""
        for name in self.of(DIFFER):
            yield f"  {name}: {self.rules[name].evidence}"


_WORDS: tuple[tuple[Verdict, str], ...] = ((DIFFER, "differ in"), (UNTOLD, "cannot be told"))


def untold(rows: int, why: str) -> RulesReport:
    """Nothing can be told of any rule."""
    return RulesReport(rows=rows, rules=dict.fromkeys(RULES, RuleVerdict(UNTOLD, why)))


def rules_table(report: RulesReport) -> Table:
    """Every rule, for people."""
    table = Table("label rule", "the labels", "evidence", title=f"the engine's label rules, by {report.rows} examples")
    for name, found in report.rules.items():
        table.add_row(name, found.verdict, found.evidence)
    return table
