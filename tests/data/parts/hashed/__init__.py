"""Words hashed into a vector: no model, no server."""
