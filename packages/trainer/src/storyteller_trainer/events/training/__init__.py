"""From encoded sentences to a trained classifier in a run folder."""
