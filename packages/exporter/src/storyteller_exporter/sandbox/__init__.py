"""A process of its own, with limits of time and memory, for whatever a strange file makes the libraries do."""
