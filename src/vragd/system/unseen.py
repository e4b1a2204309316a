"""Characters that nobody sees, or that turn or move what is seen. Standard library only."""

from __future__ import annotations

import re

FORMATTING = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U00013430-\U00013455\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""
For a class of a regular expression. What is formatting only (bidi, zero-width, tag characters, soft hyphens), or has no
width though it is no formatting by name: fillers, and variation selectors, of which any bytes can be made.
"""

# Halves of a surrogate pair are no characters at all.
UNSEEN = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff{FORMATTING}]")
_NO_LINE_ENDS = re.compile("[\r\x85\u2028\u2029]")  # of the lines that are counted; some show them as such
_LINE_END = re.compile("[\n\t]")


def seen(text: str) -> str:
    """The text as a person sees it, its lines ended by a line feed; there are as many as before."""
    return UNSEEN.sub("", _NO_LINE_ENDS.sub(" ", text.replace("\r\n", "\n")))


def seen_path(path: str) -> str:
    """A path as a person sees it, on one line, its blanks as they are."""
    return _LINE_END.sub(" ", seen(path))
