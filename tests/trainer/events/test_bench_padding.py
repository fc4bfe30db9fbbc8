"""The padding benchmark runs, and compares what it says it compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import bench_padding
import pytest


def test_the_three_ways_of_making_batches(
    data_file: Path, tiny_bert: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(data_file), "--encoder", tiny_bert, "--steps", "2", "--device", "cpu", "--task", "event"]
    monkeypatch.setattr(sys, "argv", ["bench_padding.py", *arguments])
    bench_padding.main()
    rows = re.findall(
        r"^(.+?) +([\d.]+) examples/s +([\d.]+) x +([\d.]+) tokens", capsys.readouterr().out, re.MULTILINE
    )
    assert [name for name, *_ in rows] == ["padded to 128", "dynamic", "dynamic, grouped by length"]
    assert float(rows[0][2]) == 1.0
    widths = [float(row[3]) for row in rows]
    assert widths[0] == 128
    assert widths[2] < widths[1] < 128
