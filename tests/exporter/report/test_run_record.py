"""What a run says of itself may be damaged: one error that names the file, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from storyteller_exporter.report.run_record import read_run
from storyteller_schema.common.errors import StorytellerError


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "x",
            "[1]",
            "null",
            "[" * 100_000,
            '{"data": null}',
            '{"data": []}',
            '{"data": {"files": [{"path": 5}]}}',
        ),
        *('{"data": {"files": null}}', '{"data": {"file": 1}}', '{"data": {"notices": "x"}}', '{"recipe": [1]}'),
    ],
)
def test_a_damaged_summary(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(StorytellerError, match=r"run\.json: cannot be read"):
        read_run(tmp_path)


def test_a_run_of_an_earlier_version_says_less(tmp_path: Path) -> None:
    assert read_run(tmp_path).summary == {}
    (tmp_path / "run.json").write_text('{"recipe": null, "unknown": [1]}')
    assert read_run(tmp_path).recipe == {}
