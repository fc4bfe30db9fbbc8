"""The part of a page on exported files: size, checks, differences from PyTorch, what rounding changed, latency."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from storyteller_exporter.evaluate.timing import Timing, machine
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.verify.verification import REPORT_NAME

#: Whether a file of an interface, by its name, with these notes, is one of the run.
IsOwn = Callable[[str, Mapping[str, str]], bool]


def verified_files(folder: Path, is_own: IsOwn, latency: Callable[[Path], str]) -> list[dict[str, Any]]:
    """The files of a run of which a verification speaks, as a page shows them.

    Args:
        folder: of the files.
        latency: a sentence about a file that is there.
    """
    try:
        told = json.loads((folder / REPORT_NAME).read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return []
    own = [file for file in told if is_own(file.get("interface", ""), file.get("metadata", {}))]
    return [_shown(file, folder, latency) for file in own]


def latency_line(what: str, timing: Timing, calls: int) -> str:
    """A measured latency with all that it depends on."""
    return (
        f"{what} takes {timing.p50_ms:.3g} ms in the median and {timing.p99_ms:.3g} ms in 99 of 100 cases: {calls:,} "
        f"calls on one thread, as the engine makes them, measured when this page was written, with {machine()}. What "
        "else the machine does is in it."
    )


def _shown(file: dict[str, Any], folder: Path, latency: Callable[[Path], str]) -> dict[str, Any]:
    place = folder / Path(file["file"]).name
    size = f"{place.stat().st_size:,} bytes" if place.is_file() else "not there any more"
    precision = file["metadata"].get(metadata_props.PRECISION, "unknown precision")
    compared = file.get("differences", [])
    cases = list(dict.fromkeys(f"{each['case']}, against {each['against']}" for each in compared))
    outputs = list(dict.fromkeys(each["output"] for each in compared))
    shares = {(f"{each['case']}, against {each['against']}", each["output"]): each["share"] for each in compared}
    problems = [f"{check['name']}: {check['detail']}" for check in file["checks"] if check["status"] == "failed"]
    return {
        "title": f"{place.name} ({precision}, {size})",
        "passed": file["passed"],
        "verdict": f"{file['verdict']}{': ' if problems else ''}{'; '.join(problems)}",
        "latency": latency(place) if place.is_file() else "",
        "parity_cases": cases,
        "parity_outputs": outputs,
        # What is not finite is worse than any share.
        "parity": [[_or_inf(shares.get((case, output))) for output in outputs] for case in cases],
        "changes": [
            [each["name"], f"{each['reference']:.4f}", f"{each['found']:.4f}", f"{each['limit']:g}"]
            for each in file.get("changes", [])
        ],
    }


def _or_inf(share: float | None) -> float:
    return float("inf") if share is None else share
