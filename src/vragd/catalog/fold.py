"""
The one folding of words: what is written into the index and what is asked go through the same functions.

Two spellings that a reader takes for one fold to the same text: composed and decomposed, full width, upper and lower
case, accents of Latin, Greek and Cyrillic letters, soft hyphens and other characters that cannot be seen. Scripts
that are written without blanks between words become overlapping pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

# Latin letters that readers and keyboards take for another, and that Unicode does not decompose.
_LETTERS = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th"})
# Marks on Latin, Greek and Cyrillic letters (not the breve of й, a letter of its own), Hebrew points, Arabic vowels.
_MARKS = re.compile(
    "[\u0300-\u0305\u0307-\u036f]|(?<!\u0438)\u0306|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
    "|[\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]"
)
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_SOME_UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303c\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u3041-\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb"  # Hangul: words carry endings
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf"  # Thai, Lao
    "\u1780-\u17d3\u17d7\u17dc\u17dd\u1000-\u103f\u1050-\u109f"  # Khmer, Burmese
)
_UNSPACED = re.compile(f"[{_SOME_UNSPACED}]+")
_MARKED = ((0x300, 0x3100), (0xA66F, 0xAC00), (0xFB1E, 0xFB1F), (0xFE00, 0xFE30), (0x10A00, 0x12000))


def _ranges(blocks: Iterable[tuple[int, int]]) -> Iterator[str]:
    """The marks in some blocks, those that follow one another as one range of a class."""
    for first, end in blocks:
        is_mark = [unicodedata.category(chr(at))[0] == "M" for at in range(first, end)]
        edges = [first + at for at, (a, b) in enumerate(pairwise([False, *is_mark, False])) if a != b]
        yield from (f"{chr(a)}-{chr(b - 1)}" for a, b in zip(edges[::2], edges[1::2], strict=True))


# Every mark that belongs to a letter, as full text's tokenizer has them ('M*'): `re` has no class for it.
SOME_MARKS = "".join(_ranges(_MARKED))
# Letters, digits and the marks that belong to them; a run of an unspaced script is a word here, too.
_RUN = re.compile(f"[{_SOME_UNSPACED}]+|(?:(?![{_SOME_UNSPACED}_])[\\w{SOME_MARKS}])+")
# Where a word written together has a seam: camelCase, HTTPServer, test1user.
_SEAM = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEAMS = (b"aA", b"a0", b"0a", b"0A", b"A0", b"AAa")
_KINDS = bytes(
    ord("a") if 97 <= c < 123 else ord("A") if 65 <= c < 91 else ord("0") if 48 <= c < 58 else 32 for c in range(256)
)
# Numbers that are written together with what begins or ends in letters: of v1.2.3, 1.2.3rc1, 2024-04-09T10:00.
_NUMBERS_BEFORE, _NUMBERS_AFTER = re.compile(r"(?:[0-9]+[.:/_-])+$"), re.compile(r"(?:[.:/_-][0-9]+)+")
_WRITTEN = re.compile(rb"[a0]+")
_DIGITS, _LAST_DIGITS = re.compile("[0-9]+"), re.compile("[0-9]+$")
_MARK = re.compile(r"(?:\+\+|#)(?![\w#+])")
_BEFORE_MARK = re.compile(r"\w{1,12}$")
_PICTOGRAM = re.compile("[\u2190-\u2bff\U0001f000-\U0001faff]")
# Full text's tokenizer takes what its own, older Unicode does not know for letters: ₽, ₿, most pictograms.
_NO_LETTER = re.compile(
    r"(?!\w)[\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\ufd40-\ufd4f\ufdfd-\ufdff\U0001f000-\U0001faff]+"
)
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_SAME_MARKS = str.maketrans(
    {"‘": "'", "’": "'", "ʼ": "'", "´": "'", "`": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
)
_BETWEEN = re.compile(r"[\s_‐-―-]+")

MIN_PART, MAX_SEAMED = 2, 80
MAX_NUMBERS = 40  # characters of them, before a word and after it


def fold(text: str) -> str:
    """`text` as it is compared. Positions change: what is shown is never taken from it."""
    return text.lower() if text.isascii() else _FOREIGN.sub(_folded_match, text).lower()


def _folded_match(match: re.Match[str]) -> str:
    stretch = match[0]
    return _folded_short(stretch) if len(stretch) <= 4 else _folded(stretch)


def _folded(stretch: str) -> str:
    stretch = _UNSEEN.sub("", unicodedata.normalize("NFKC", stretch)).casefold()
    stretch = _MARKS.sub("", unicodedata.normalize("NFD", stretch)).translate(_LETTERS)
    return unicodedata.normalize("NFC", stretch)


_folded_short = lru_cache(4096)(_folded)  # accents within words, quotes, dashes: the same few, everywhere


def name_key(text: str) -> str:
    """What names have in common that are the same to whoever asks for one: blanks, hyphens and underscores are one."""
    return _BETWEEN.sub(" ", fold(text).translate(_SAME_MARKS)).strip()


def is_unspaced(word: str) -> bool:
    """Whether a folded word is of a script without blanks between words."""
    return _UNSPACED.fullmatch(word) is not None


def runs(folded: str) -> list[str]:
    """The words of a folded text, in order; of a script without blanks, whatever stands together."""
    return _RUN.findall(folded)


def pairs(run: str) -> list[str]:
    """The overlapping pairs of characters of a run of an unspaced script; a single one is itself."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def spaced(folded: str) -> str:
    """A folded text with blanks where its words end: runs of unspaced scripts as pairs, and their last character."""
    if folded.isascii():
        return folded
    return _UNSPACED.sub(_as_pairs, _NO_LETTER.sub(" ", folded))


def _as_pairs(match: re.Match[str]) -> str:
    run = match[0]
    # the last alone, so that a question of one character finds every one: as the beginning of a pair, or here
    return f" {' '.join([*pairs(run), run[-1]])} " if len(run) > 1 else f" {run} "


def parts(text: str) -> list[str]:
    """
    The folded parts of the words of `text` that are written together: camelCase, letters beside digits. What is a
    sequence of numbers with letters at its ends is there as numbers, one after the other: 1 2 3 of v1.2.3.
    """
    kinds = text.encode("ascii", "replace").translate(_KINDS)
    found: list[str] = []
    end = 0
    for at in sorted(_places(kinds)):
        if at < end:
            continue  # of the word before
        start = kinds.rfind(b" ", 0, at) + 1
        end = kinds.find(b" ", at)
        end = len(kinds) if end < 0 else end
        if end - start <= MAX_SEAMED:
            found += (piece.lower() for piece in _SEAM.split(text[start:end]) if len(piece) >= MIN_PART)
            found += (number for some in _numbers(text, start, end) for number in some)
    return found


def numbers(piece: str) -> list[tuple[str, ...]]:
    """The sequences of numbers in what is written together, of which one has a letter at its end; see `parts`."""
    kinds = piece.encode("ascii", "replace").translate(_KINDS).lower()
    words = (word.span() for word in _WRITTEN.finditer(kinds) if len(set(word[0])) > 1)
    return list(dict.fromkeys(some for span in words for some in _numbers(piece, *span)))


def _numbers(text: str, start: int, end: int) -> Iterator[tuple[str, ...]]:
    """The numbers up to the first of the word there, and from its last on, if it begins or ends with one."""
    if first := _DIGITS.match(text, start, end):
        before = _NUMBERS_BEFORE.search(text, max(0, start - MAX_NUMBERS), start)
        if before:
            yield *_DIGITS.findall(before[0]), first[0]
    if last := _LAST_DIGITS.search(text, max(start, end - MAX_NUMBERS), end):
        after = _NUMBERS_AFTER.match(text, end, end + MAX_NUMBERS)
        if after:
            yield last[0], *_DIGITS.findall(after[0])


def _places(kinds: bytes) -> Iterator[int]:
    for seam in _SEAMS:
        at = kinds.find(seam)
        while at >= 0:
            yield at
            at = kinds.find(seam, at + 1)


def symbols(text: str) -> list[str]:
    """What is no word, and is asked for all the same: c++, c#, pictograms. Folded."""
    found: list[str] = []
    if "++" in text or "#" in text:
        for match in _MARK.finditer(text):
            if word := _BEFORE_MARK.search(text, max(0, match.start() - 12), match.start()):
                found.append(fold(word[0]) + match[0])
    if not text.isascii():
        found += _PICTOGRAM.findall(text)
    return found
