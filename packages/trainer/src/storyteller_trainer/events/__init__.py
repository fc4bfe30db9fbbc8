"""Event kinds and entities: data, models, training."""
