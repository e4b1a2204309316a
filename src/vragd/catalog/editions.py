"""Editions of a space: all of it embedded again because somebody asked for that. Written behind its chunker's name."""

from __future__ import annotations

_SIGN = " #"


def plain(chunker: str) -> str:
    """The chunker without the edition."""
    return chunker.partition(_SIGN)[0]


def edition(chunker: str) -> int:
    """Which edition it is, from 0."""
    _, _, number = chunker.partition(_SIGN)
    return int(number) if number.isdecimal() else 0


def of_edition(chunker: str, number: int) -> str:
    """The chunker of another edition."""
    return f"{plain(chunker)}{_SIGN}{number}" if number else plain(chunker)
