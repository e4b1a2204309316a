"""How large a question may be, for whoever asks and whoever answers."""

MAX_TOP_K = 1_000
MAX_OFFSET = 1_000
"""How far into the hits one may page."""
MAX_TOGETHER = 16
"""Further texts, and vectors, in one question."""
MAX_QUERY_CHARS = 32_768
MAX_WHERES = 16
"""Filters of one question that are given side by side."""
MAX_LISTED = 10_000
"""Notes in one answer of `recent`, which are not ranked."""
MAX_NAMES = 1_000
"""Names in one answer to who is typing one."""
