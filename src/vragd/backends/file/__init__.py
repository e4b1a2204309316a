"""Exact search over a folder of files that are mapped into memory."""
