"""What a kind of model has to know about itself to be verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from storyteller_exporter.checks.inspection import Inspection
from storyteller_exporter.checks.notes import Notes
from storyteller_exporter.checks.parity import Arrays, Case, Predictor
from storyteller_exporter.checks.verification_report import Change, Verification


class Real(NamedTuple):
    """The real data that was found for a verification."""

    #: How many examples an eight-bit file is judged on.
    judged: int
    #: Why there are none, where there are none.
    missing: str


class Family(Protocol):
    """A kind of model, made for the verification of one file; asked in the order of the methods (spine.py).

    What a method finds out about the file or its checkpoint, it adds to the report that the family was made with. A
    problem that stands there is not raised.
    """

    #: float32 on both sides, added up in another order: what this allows (parity.py).
    atol: float
    rtol: float
    #: What a file of this kind notes about itself, beyond what every file does.
    notes: Notes
    #: What an eight-bit file is judged by, and on what, for people.
    judged_by: str
    judged_on: str

    def reference(self) -> Predictor | None:
        """The PyTorch model whose numbers the file has to give; None when no checkpoint says which."""

    def data(self) -> Real:
        """Looks for real data that the model was not trained on."""

    def cases(self) -> list[Case]:
        """The inputs on which the file is tried, some of the real data among them."""

    def check(self, predict: Predictor, ran: Sequence[tuple[Case, Arrays]]) -> None:
        """What only a file of this kind has to do; `ran` are the cases that ran, with their outputs."""

    def changes(self, predict: Predictor, reference: Predictor) -> list[Change]:
        """How much worse the file's predictions on the real data are, one at a time as the engine asks for them.

        Raises:
            Exception: the file cannot be judged.
        """

    def scores(self) -> dict[str, float]:
        """The scores of the training run, by the checkpoint, else by the file's notes; names end in `loss` or `F1`."""


#: Makes the family of a file.
OpenFamily: TypeAlias = Callable[[Inspection, Verification], Family]
