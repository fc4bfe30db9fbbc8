"""The network, its losses and metrics, and its checkpoint."""
