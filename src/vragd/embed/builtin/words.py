"""The words that the builtin model knows as a whole: English ones, and names. Standard library only."""

from __future__ import annotations

from pathlib import Path

VOCABULARY = Path(__file__).with_name("minilm") / "tokenizer.json"


def knows(word: str) -> bool:
    """Whether the model has it in one piece. Its other pieces (`##ing`) are none of a word."""
    try:
        return word.isalpha() and word.isascii() and f'"{word}":'.encode() in VOCABULARY.read_bytes()
    except OSError:  # the model itself will say so
        return False
