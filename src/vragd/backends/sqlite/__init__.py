"""Exact search over one SQLite file, which other programs may read."""
