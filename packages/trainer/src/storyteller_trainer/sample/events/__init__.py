"""Sample data for the event classifiers, from templates and hand-written prose."""
