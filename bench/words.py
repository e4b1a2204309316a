"""
Words of five languages, each of one note only: how often that note comes first when the word is asked alone.

The notes are real sentences (`bench.translations`), a few to a note, all languages in one vault, every second note
written decomposed. Words are drawn by a seed: of scripts without blanks what stands in one note only, of Korean the
beginning of what stands between blanks. They are asked as they are written, decomposed, in the other width, and of two
characters.
"""

from __future__ import annotations

import argparse
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.drawn import MOST, SEED, share
from bench.quality import indexed, place_of
from bench.translations import sentences
from vragd.catalog.fold import fold, is_unspaced, runs
from vragd.search.ask import Question, Target, ask

LANGUAGES = {"french": "fr", "chinese": "zh_Hans", "japanese": "ja", "korean": "ko", "thai": "th"}
SENTENCES = 4  # of a note
LONGEST = 12  # characters of a word of a script without blanks
TRIES = 60 * MOST
_LETTERS = re.compile(r"[^\W\d_]+")
_KOREAN = re.compile("[\uac00-\ud7a3]")
_LEADS, _TRAILS = re.compile("[\u0e40-\u0e44]"), re.compile("[\u0e30\u0e32\u0e33\u0e45]")  # Thai vowels
_HALF = {unicodedata.normalize("NFKC", chr(at)): chr(at) for at in range(0xFF66, 0xFF9E)}
_HALF |= {"\u3099": "\uff9e", "\u309a": "\uff9f"}

Note = tuple[str, str]
"""Path and text, as it is composed."""


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    with place_of(args.kept) as place:
        vault = place / "words" / "vault"
        notes = {name: list(_notes(name, code)) for name, code in LANGUAGES.items()}
        written = [note for some in notes.values() for note in some]
        for at, (path, text) in enumerate(written):
            _write(vault / path, unicodedata.normalize("NFD", text) if at % 2 else text)
        with indexed(vault, place / "words") as (target, counts):
            figures = {name: _figures(target, some, written) for name, some in notes.items()}
    return {"seed": SEED, **counts}, figures


def _notes(name: str, code: str) -> Iterator[Note]:
    texts = sentences(code)
    for at in range(0, len(texts), SENTENCES):
        yield f"{name}/{at // SENTENCES:04}.md", "\n\n".join(texts[at : at + SENTENCES]) + "\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text("utf-8") != text:
        file.write_text(text, "utf-8")


def _figures(target: Target, notes: list[Note], everything: list[Note]) -> dict[str, Any]:
    words = _drawn(notes, everything, range(2, LONGEST + 1))
    short = _drawn(notes, everything, range(2, 3))
    asked = {
        "as_written": words,
        "decomposed": [(path, unicodedata.normalize("NFD", word)) for path, word in words],
        "other_width": [(path, wide) for path, word in words if (wide := other_width(word)) != word],
        "two_characters": short,
    }
    return {how: _first(target, some) for how, some in asked.items()}


def _first(target: Target, asked: list[tuple[str, str]]) -> dict[str, Any]:
    missed = []
    for path, word in asked:
        hits = ask(target, Question(word)).hits
        if not hits or hits[0].path != path:
            missed.append(word)
    return share(len(asked), missed)


def _drawn(notes: list[Note], everything: list[Note], lengths: range) -> list[tuple[str, str]]:
    """Words that stand in one of `everything` only, each with the path of its note, one of `notes`; by a seed."""
    rng = random.Random(SEED)
    folded = [fold(text) for _, text in everything]
    in_notes = Counter(word for text in folded for word in set(runs(text)))
    found: dict[str, tuple[str, str]] = {}
    for _ in range(TRIES):
        if len(found) == MOST:
            break
        path, text = rng.choice(notes)
        word = _word(rng, text, lengths)
        key = fold(word)
        if key and key not in found:
            n_notes = sum(key in text for text in folded) if is_unspaced(key) else in_notes[key]
            if n_notes == 1:
                found[key] = (path, word)
    return list(found.values())


def _word(rng: random.Random, text: str, lengths: range) -> str:
    """A word of the text, of so many characters where its script is one without blanks; "" where none was hit upon."""
    words = _words(text)
    if not words:
        return ""
    word = rng.choice(words)
    if not is_unspaced(fold(word)):
        return word if len(word) in lengths or (len(lengths) > 1 and len(word) > lengths[-1]) else ""
    length = rng.choice(lengths)
    start = 0 if _KOREAN.match(word) else rng.randrange(max(1, len(word) - length + 1))
    piece, after = word[start : start + length], word[start + length : start + length + 1]
    whole = len(piece) == length and not _clings(piece[0]) and not _clings(after) and not _LEADS.match(piece[-1])
    return piece if whole else ""


def _words(text: str) -> list[str]:
    """The words of a text; in one with a script without blanks, whatever of that stands together."""
    stretches = ("".join(some) for unspaced, some in groupby(text, lambda c: is_unspaced(fold(c))) if unspaced)
    return list(stretches) or _LETTERS.findall(text)


def _clings(character: str) -> bool:
    """Whether it belongs to the character before it."""
    return character != "" and (unicodedata.category(character)[0] == "M" or _TRAILS.match(character) is not None)


def other_width(word: str) -> str:
    """Latin letters in full width, katakana in half; what has no other width as it is."""
    if word.isascii():
        return "".join(chr(ord(character) + 0xFEE0) for character in word)
    return "".join(_HALF.get(character, character) for character in _katakana_apart(word))


def _katakana_apart(word: str) -> str:
    """With the voicing marks of katakana as characters of their own; other characters stay composed."""
    return "".join(unicodedata.normalize("NFD", c) if "\u30a1" <= c <= "\u30fa" else c for c in word)
