"""OpenSearch: an index for each collection."""
