"""Character prediction: data, model, training loop and checkpoints."""
