"""The console commands of this package, for its pyproject.toml; what they need is imported when they are called."""

from __future__ import annotations

from storyteller_schema.entry import Entry

export_character_model = Entry("storyteller_exporter.character_cli")
verify_onnx = Entry("storyteller_exporter.verify_cli")
export_event_classifier = Entry("storyteller_exporter.events_cli")
evaluate_classifier = Entry("storyteller_exporter.evaluate_cli")
