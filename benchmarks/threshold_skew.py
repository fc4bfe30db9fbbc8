"""What the engine's cut at raw > 0.5 costs: both readings of the binary outputs, on a run's validation split.

    python benchmarks/threshold_skew.py [DATA] [--run artifacts/character]

DATA is the file that the run was trained on (default: the sample data). The run's best checkpoint is exported twice, as
trained and with --align-thresholds; ONNX Runtime runs both files on the validation side of the run's own split, and
every figure is read off the outputs as the engine reads them. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from storyteller_exporter.export.character import export_character
from storyteller_schema.common.errors import StorytellerError
from storyteller_schema.contract.predictions import HEADS
from storyteller_trainer.character.model.metrics import Binary, MetricsCounter
from storyteller_trainer.sample.fallback import CHARACTER_FILE
from validation_side import read_validation_side


def readings(run: Path, data: Path) -> tuple[int, dict[str, dict[str, Binary]]]:
    """The number of validation examples, and for both exports the scores of each binary field.

    Raises:
        StorytellerError: run or data cannot be read, or they do not belong together.
    """
    _, features, labels = read_validation_side(run, data)
    found: dict[str, dict[str, Binary]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, align in (("as trained", False), ("--align-thresholds", True)):
            file = Path(folder) / "model.onnx"
            export_character(run, file, align_thresholds=align)
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            counter = MetricsCounter()
            counter.add(np.concatenate(session.run(list(HEADS), {"features": features}), axis=1), labels)
            found[name] = counter.result().binary
    return len(labels), found


def table(found: dict[str, dict[str, Binary]]) -> list[str]:
    """Markdown: a row for each field and export, read as the engine reads it."""
    lines = ["| output | export | accuracy in the engine | F1 in the engine |", "|---|---|---|---|"]
    for field in next(iter(found.values())):
        for export, scores in found.items():
            engine = scores[field].as_engine
            lines.append(f"| {field} | {export} | {engine.accuracy:.1%} | {engine.f1:.1%} |")
    return lines


def main() -> int:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=CHARACTER_FILE)
    parser.add_argument("--run", type=Path, default=Path("artifacts/character"))
    arguments = parser.parse_args()
    try:
        examples, found = readings(arguments.run, arguments.data)
    except StorytellerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{examples:,} validation examples\n")
    print("\n".join(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
