"""Exact search over files of JSON lines, one a store."""
