"""Embedders: texts in, unit vectors out. See `base` for the contract."""
