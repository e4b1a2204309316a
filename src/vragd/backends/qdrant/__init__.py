"""Qdrant: a collection for each collection."""
