"""Characters that nobody sees, or that turn or move what is seen. Standard library only."""

from __future__ import annotations

FORMATTING = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U00013430-\U00013455\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""
For a class of a regular expression. What is formatting only (bidi, zero-width, tag characters, soft hyphens), or has no
width though it is no formatting by name: fillers, and variation selectors, of which any bytes can be made.
"""
