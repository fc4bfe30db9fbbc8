"""The encoders and classifiers, their losses and metrics, and their checkpoint."""
