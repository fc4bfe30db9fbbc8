"""Which kind of model is behind an interface. Imported when a file of that kind is met: PyTorch takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from storyteller_schema.common.ctrl_c import ending_at_once
from storyteller_schema.contract.onnx import CHARACTER, EVENT, JOINT, NER, Interface
from storyteller_trainer.optional_dependencies import events_extra

from storyteller_exporter.checks.family import Family
from storyteller_exporter.checks.inspection import Inspection
from storyteller_exporter.checks.verification_report import Verification


def _character(inspection: Inspection, report: Verification, checkpoint: Path | None, data: Path | None) -> Family:
    with ending_at_once():
        from storyteller_exporter.character.family import CharacterFamily

    return CharacterFamily(report, checkpoint=checkpoint, data=data)


def _events(inspection: Inspection, report: Verification, checkpoint: Path | None, data: Path | None) -> Family:
    # Its libraries are an extra.
    with events_extra():
        from storyteller_exporter.events.family import EventsFamily

    return EventsFamily(inspection, report, checkpoint=checkpoint, data=data)


#: Makes the family of a file that was inspected, for its report, with a checkpoint and data or without; raises a
#: StorytellerError where a library that it needs is not installed.
FAMILIES: dict[Interface, Callable[[Inspection, Verification, Path | None, Path | None], Family]] = {
    CHARACTER: _character,
    EVENT: _events,
    NER: _events,
    JOINT: _events,
}
