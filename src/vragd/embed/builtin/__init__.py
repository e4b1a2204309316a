"""MiniLM inside the package: English, 384 dimensions, no server, no network."""
