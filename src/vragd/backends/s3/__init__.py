"""Exact search over objects of a bucket, which are read once and kept in memory."""
