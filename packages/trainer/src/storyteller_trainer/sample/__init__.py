"""Sample data, made on the spot: what the workspace trains on when the user has no data of their own."""
