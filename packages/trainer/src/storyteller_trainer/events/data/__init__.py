"""From event data files to encoded sentences."""
