"""How large a question may be, for whoever asks and whoever answers."""

MAX_TOP_K = 100
MAX_QUERY_CHARS = 32_768
MAX_WHERES = 16
"""Filters of one question that are given side by side."""
MAX_LISTED = 10_000
"""Notes in one answer of `recent`, which are not ranked."""
