"""The console commands of this package, for its pyproject.toml; what they need is imported when they are called."""

from __future__ import annotations

from storyteller_schema.common.entry import Entry

export_character_model = Entry("storyteller_exporter.commands.export_character_model")
verify_onnx = Entry("storyteller_exporter.commands.verify_onnx")
export_event_classifier = Entry("storyteller_exporter.commands.export_event_classifier")
annotate_text = Entry("storyteller_exporter.commands.annotate_text")
evaluate_classifier = Entry("storyteller_exporter.commands.evaluate_classifier")
evaluate_character_model = Entry("storyteller_exporter.commands.evaluate_character_model")
write_report = Entry("storyteller_exporter.commands.write_report")
compare_models = Entry("storyteller_exporter.commands.compare_models")
promote_model = Entry("storyteller_exporter.commands.promote_model")
