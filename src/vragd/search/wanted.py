"""What another engine than ours is asked for of a question: the words that say what it is about."""

from __future__ import annotations

from vragd.catalog.asked import MAX_WORDS, asked

MOST_CHARS = 1_024  # S3 Vectors' limit, the least of any


def wanted(text: str) -> str:
    """The words of a question, without those that any question is made of, unless there are no others."""
    pieces = asked(text).plain.split()
    kept = [piece for piece in pieces if any(word.about for word in asked(piece).words)]
    return " ".join((kept or pieces)[:MAX_WORDS])[:MOST_CHARS]
