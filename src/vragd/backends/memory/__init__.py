"""Exact search in memory, rebuilt from the catalog at every start."""
