"""What every training run is, whatever is trained."""
