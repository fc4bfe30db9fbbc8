"""What came out where two models of one kind were judged on the same examples, whatever kind it is."""

from __future__ import annotations

import msgspec

from storyteller_exporter.evaluate.model_facts import EventModelFacts, ModelFacts
from storyteller_exporter.report.bootstrap import FigureDifference, Outcome


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on the same examples."""

    first: ModelFacts | EventModelFacts
    second: ModelFacts | EventModelFacts
    #: Where the examples come from.
    source: str
    examples: int
    #: What was drawn for the intervals, and how many there are: examples that go together are drawn together.
    unit: str
    units: int
    #: What is to be known before the figures are believed.
    notices: list[str]
    #: The one that decides comes first.
    figures: list[FigureDifference]
    #: By that one.
    outcome: Outcome

    @property
    def deciding(self) -> FigureDifference:
        """The figure that decides."""
        return self.figures[0]

    @property
    def decides(self) -> str:
        """What the figure that decides is called in a sentence."""
        return "weighted loss" if self.deciding.kind == "loss" else self.deciding.name
