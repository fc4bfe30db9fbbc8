"""Annotations that people make with other tools, to event data and back."""
