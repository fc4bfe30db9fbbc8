"""Which sentences of a text are worth a person's time, with what the exported models already say about them."""
