"""The console commands of this package, for its pyproject.toml; what they need is imported when they are called."""

from __future__ import annotations

from storyteller_schema.common.entry import Entry

storyteller_schema = Entry("storyteller_schema.cli")
