"""Whether two computations of the same network agree: the cases, the comparison, and what a file must do by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from storyteller_schema.contract.onnx import Interface

from storyteller_exporter.checks.verification_report import PYTORCH, Difference, Status, Verification
from storyteller_exporter.sandbox.process import RefusedError

Arrays = Mapping[str, NDArray[Any]]
#: Inputs by name to outputs by name, for each of several calls.
Predictor = Callable[[Sequence[Arrays]], Sequence[Arrays]]


@dataclass(frozen=True)
class Case:
    """Inputs on which two computations are compared."""

    name: str
    feeds: Arrays
    #: The magnitude of the inputs, to which rounding errors are proportional: atol is multiplied by it.
    scale: float = 1.0
    #: Run twice, and compared with the same rows one by one, without their padding, as well.
    singles: bool = False
    #: [batch, sequence], where there is no padding and outputs count; None when there is none anywhere.
    valid: NDArray[np.bool_] | None = None

    @property
    def batch(self) -> int:
        """Number of rows."""
        return len(next(iter(self.feeds.values())))

    def row(self, index: int) -> Arrays:
        """One row as a batch of one, without its padding."""
        rows = {name: value[index : index + 1] for name, value in self.feeds.items()}
        if self.valid is None:
            return rows
        length = int(self.valid[index].sum())
        return {name: value[:, :length] for name, value in rows.items()}


def compare(
    case: Case, against: str, output: str, found: NDArray[Any], expected: NDArray[Any], *, atol: float, rtol: float
) -> Difference:
    """Compares |found - expected| <= atol * case.scale + rtol * (largest |expected| of the same row), and both finite.

    A row is the last axis: the numbers that one head gives for one input. They are sums of the same hidden units, and
    the rounding error of a sum follows the size of its terms, not of the sum: where terms cancel, an output near zero
    has the error of its larger neighbours.
    """
    absolute = atol * case.scale

    def failed(detail: str) -> Difference:
        return Difference(case.name, against, output, absolute, None, None, False, detail)

    if found.shape != expected.shape:
        return failed(f"shape {list(found.shape)}, expected {list(expected.shape)}")
    if case.valid is not None and found.ndim > case.valid.ndim:
        found, expected = (np.where(case.valid[..., None], values, 0.0) for values in (found, expected))
    broken = ~(np.isfinite(found) & np.isfinite(expected))
    if broken.any():
        first = _place(int(np.argmax(broken)), broken.shape)
        return failed(f"{int(broken.sum())} values are not finite, the first at {first}")
    distance = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    largest = np.abs(expected.astype(np.float64)).max(axis=-1, keepdims=True, initial=0.0)
    share = distance / (absolute + rtol * largest)
    worst = int(np.argmax(share)) if share.size else 0
    limit = float(share.flat[worst]) if share.size else 0.0
    return Difference(
        case=case.name,
        against=against,
        output=output,
        atol=absolute,
        worst=float(distance.max(initial=0.0)),
        share=limit,
        passed=limit <= 1.0,
        detail=f"at {_place(worst, share.shape)}: {found.flat[worst]!s} against {expected.flat[worst]!s}",
    )


def _place(flat: int, shape: tuple[int, ...]) -> str:
    return str([int(index) for index in np.unravel_index(flat, shape)])


def check_behaviour(
    report: Verification, predict: Predictor, cases: Sequence[Case], interface: Interface
) -> list[tuple[Case, Arrays]]:
    """What needs no reference: the file runs on every case and gives finite numbers in the interface's shapes, and the
    same ones every time.

    Returns:
        The outputs of the cases that ran; of each those in the right shape.
    """
    ran: list[tuple[Case, Arrays]] = []
    refused, misshapen, broken, unsteady = [], [], [], []
    for case in cases:
        try:
            outputs, *again = predict([case.feeds] * (2 if case.singles else 1))
        except RefusedError as error:
            refused.append(f"{case.name}: {error}")
            continue
        wrong = {name: _misshapen(name, value, case, interface) for name, value in outputs.items()}
        misshapen += [f"{told} ({case.name})" for told in wrong.values() if told]
        outputs = {name: value for name, value in outputs.items() if not wrong[name]}
        ran.append((case, outputs))
        broken += [f"{name} ({case.name})" for name, values in outputs.items() if not np.isfinite(values).all()]
        unsteady += [
            f"{name} ({case.name})"
            for name, values in outputs.items()
            if not all(np.array_equal(values, other[name], equal_nan=True) for other in again)
        ]
    report.judge("runs", refused, f"{len(cases)} cases, batch {_listed(case.batch for case in cases)}")
    if ran:
        report.judge("shapes", misshapen, "every output of every case, and its type")
        problem = [f"NaN or infinity in {', '.join(broken)}"] if broken else []
        report.judge("finite", problem, "every output of every case")
        problem = [f"a second run gives other numbers in {', '.join(unsteady)}"] if unsteady else []
        report.judge("deterministic", problem, "a second run gives the same bits")
    return ran


def _misshapen(name: str, value: NDArray[Any], case: Case, interface: Interface) -> str:
    """What is wrong with the shape or the type of an output, or nothing; a free axis is as long as in the inputs."""
    sizes: dict[str | int, int] = {}
    for tensor in interface.inputs:
        sizes |= dict(zip(tensor.axes, case.feeds[tensor.name].shape, strict=True))
    (expected,) = (tensor for tensor in interface.outputs if tensor.name == name)
    shape = [axis if isinstance(axis, int) else sizes[axis] for axis in expected.axes]
    if list(value.shape) == shape and value.dtype.name == expected.dtype:
        return ""
    return f"{name} is {value.dtype.name}{list(value.shape)}, expected {expected.dtype}{shape}"


def _listed(values: Any) -> str:
    return ", ".join(map(str, sorted(set(values))))


def compare_all(
    report: Verification,
    predict: Predictor,
    reference: Predictor | None,
    ran: Sequence[tuple[Case, Arrays]],
    *,
    atol: float,
    rtol: float,
) -> None:
    """Adds the differences of every case and output: against the reference if there is one, and one by one."""
    report.rtol = rtol

    def add(case: Case, against: str, outputs: Arrays, expected: Arrays) -> None:
        # An output that is missing or misshapen stands in the report already.
        report.differences += [
            compare(case, against, name, outputs[name], values, atol=atol, rtol=rtol)
            for name, values in expected.items()
            if name in outputs
        ]

    if reference is not None:
        with report.isolated(PYTORCH):
            for case, outputs in ran:
                add(case, PYTORCH, outputs, reference([case.feeds])[0])
    for case, outputs in ran:
        if not case.singles:
            continue
        try:
            alone = _one_by_one(case, predict, outputs)
        except (RefusedError, ValueError, IndexError) as error:  # a fixed batch axis, or rows of different shapes
            report.add("batch against singles", Status.FAILED, f"{case.name}: {error}")
            continue
        add(case, "one by one", outputs, alone)
    _summarise(report)


def _summarise(report: Verification) -> None:
    """One row for all differences: the failures counted, or the one that comes nearest to its tolerance."""
    failed = sum(not difference.passed for difference in report.differences)
    measured = [difference for difference in report.differences if difference.share is not None]
    if failed:
        detail = f"{failed} of {len(report.differences)} comparisons differ by more than is allowed"
        report.add("parity", Status.FAILED, detail)
    elif measured:
        worst = max(measured, key=lambda difference: difference.share or 0.0)
        where = f"{worst.output}, {worst.case}, against {worst.against}"
        detail = f"the nearest to its tolerance reaches {worst.share:.0%} of it: {worst.worst:.1e} ({where})"
        report.add("parity", Status.OK, detail)


def _one_by_one(case: Case, predict: Predictor, outputs: Arrays) -> Arrays:
    """The outputs of each row alone, put together in the shapes of `outputs`, with zeros where padding was."""
    alone = {name: np.zeros_like(values) for name, values in outputs.items()}
    for index, row in enumerate(predict([case.row(index) for index in range(case.batch)])):
        for name in alone:
            place: tuple[int | slice, ...] = (index, *(slice(size) for size in row[name].shape[1:]))
            alone[name][place] = row[name][0]
    return alone
