"""Backends: where vectors are searched. See `base` for the contract."""
