"""A PostgreSQL with pgvector of the tests."""
