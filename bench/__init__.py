"""Benchmarks: `python -m bench NAME` prints one JSON object. Run nothing beside them."""
