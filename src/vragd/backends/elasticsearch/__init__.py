"""Elasticsearch: an index for each collection."""
