"""PostgreSQL with pgvector: a table for each collection."""
