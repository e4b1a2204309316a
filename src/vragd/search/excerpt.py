"""The part of a passage that was asked for, in the spelling of the note, without marks of formatting."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vragd.catalog.asked import Asked
from vragd.catalog.fold import SOME_MARKS, fold, is_unspaced, parts, runs, symbols
from vragd.catalog.resolve import Resolved
from vragd.search.unmarked import MAX_LINE, unmarked

MAX_CHARS, LEAD = 240, 60

# A word with what folding drops within it: soft hyphens, joiners.
_WORD = re.compile(rf"[^\W_]+(?:[\u00ad\u200b-\u200f\u2060{SOME_MARKS}]+[^\W_]*)*")
_SEAMED = re.compile("(?<![A-Za-z0-9])[A-Za-z0-9][a-z]*+[A-Z0-9][A-Za-z0-9]*+")  # fooBar, x86; HTTP too
# A character with the marks that belong to it: folded together, as a mark alone folds to nothing.
_CLUSTER = re.compile(r".[\u0300-\u036f\u3099\u309a\u1160-\u11ff]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Matched:
    """
    What is marked: words by their `terms`, not those that a question is made of and not about, such as how and the; and
    wherever they stand `runs` of scripts without blanks, and symbols. Of `phrases`, such as 1.2.3, the words that are
    not `alone` are marked where they stand together.
    """

    terms: frozenset[str] = frozenset()
    runs: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    alone: frozenset[str] = frozenset()
    address: str = ""
    """The address that is the whole question: it mostly stands where a link leads, which is not shown otherwise."""

    @classmethod
    def of(cls, asked: Asked, resolved: Resolved) -> Matched:
        pieces = asked.plain.split()
        unspaced = [run for piece in pieces for run in runs(fold(piece)) if is_unspaced(run)]
        pairs = [word.term for word in asked.words if is_unspaced(word.term)]
        marks = [symbol for piece in pieces for symbol in symbols(piece)]
        alone = frozenset(term for term in resolved.telling if not is_unspaced(term))
        phrases = tuple(p for p in (*asked.phrases, *asked.quoted) if not any(map(is_unspaced, p)))
        known = alone.union(*phrases)
        address = pieces[0] if len(pieces) == 1 and "://" in pieces[0] else ""
        return cls(known, tuple(dict.fromkeys([*unspaced, *pairs, *marks])), phrases, alone, address)


@dataclass(frozen=True, slots=True)
class Cut:
    """An excerpt, the words of it that matched, and the lines of the file it is from."""

    text: str
    spans: tuple[tuple[int, int], ...]
    lines: tuple[int, int]


def excerpt(text: str, within: tuple[int, int], matched: Matched, *, marks: bool = True) -> Cut:
    """
    The stretch of at most MAX_CHARS characters of `text` that has most of it; `within` are the file's lines it is from.

    Where those are not the lines of the text (a page, a card, rows of a sheet, a passage with something left out), all
    of them are told. Without `marks` nothing is taken for one.
    """
    first_line, last_line = within
    plain, starts = _plain(text, first_line, marks)
    spans = _spans(plain, matched)
    in_link = matched.address and matched.address in text and matched.address not in plain
    if in_link or (not spans and _is_somewhere(text, matched)):  # in what is not shown: a comment, where a link leads
        plain, starts = _plain(text, first_line, False)
        spans = _spans(plain, matched)
    start = _best(plain, spans, [line for line, _ in starts])
    end = min(len(plain), start + MAX_CHARS)
    start, end = _at_words(plain, start, end)
    before, after = "…" if start else "", "…" if end < len(plain) else ""
    shift = len(before) - start
    inside = tuple((a + shift, b + shift) for a, b, _ in spans if a >= start and b <= end)
    lines = [line for at, line in starts if at < end]
    first = [line for at, line in starts if at <= start]
    if text.count("\n") == last_line - first_line:
        within = (first[-1] if first else first_line, lines[-1] if lines else first_line)
    return Cut(f"{before}{plain[start:end]}{after}", inside, within)


def _is_somewhere(text: str, matched: Matched) -> bool:
    folded = fold(text)
    return any(word in folded for word in (*matched.terms, *matched.runs))


def _plain(text: str, first_line: int, has_marks: bool) -> tuple[str, list[tuple[int, int]]]:
    """The text as it is read, without its marks, on one line, and where in it its lines begin, as far as left."""
    parts_, starts, at = [], list[tuple[int, int]](), 0
    lines = text.split("\n")
    for number, line in enumerate(unmarked(lines) if has_marks else lines):
        clean = " ".join(line[:MAX_LINE].split())
        if clean:
            starts.append((at, first_line + number))
            parts_.append(clean)
            at += len(clean) + 1
    return " ".join(parts_), starts


def _spans(plain: str, matched: Matched) -> list[tuple[int, int, str]]:
    """What matched and where, in order, no two overlapping."""
    found: list[tuple[int, int, str]] = []
    if matched.terms:
        found += _in_ascii(plain, matched.terms) if plain.isascii() else _by_words(plain, matched.terms)
    found += _numbers(plain, matched.phrases)
    if matched.runs:
        folded, places = _mapped(plain)
        for run in matched.runs:
            at = folded.find(run)
            while at >= 0:
                found.append((places[at][0], places[at + len(run) - 1][1], run))
                at = folded.find(run, at + 1)
    found.sort(key=lambda span: (span[0], -span[1]))
    if len(matched.alone) < len(matched.terms):
        found = _together(plain, found, matched)
    kept: list[tuple[int, int, str]] = []
    for start, end, what in found:
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]), kept[-1][2])
        else:
            kept.append((start, end, what))
    return kept


def _numbers(plain: str, phrases: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, int, str]]:
    """Numbers with a letter at one of their ends: 1.2.3 of v1.2.3."""
    for phrase in phrases:
        if len(phrase) > 1 and all(map(str.isdecimal, phrase)):
            numbers = "[.:/_-]".join(phrase)
            for match in re.finditer(rf"(?<=[A-Za-z]){numbers}(?!\d)|(?<!\d){numbers}(?=[A-Za-z])", plain):
                yield match.start(), match.end(), match[0]


def _together(plain: str, spans: Sequence[tuple[int, int, str]], matched: Matched) -> list[tuple[int, int, str]]:
    """Without words of a phrase that stand elsewhere."""
    in_phrase = set[int]()
    for phrase in matched.phrases:
        for i in range(len(spans) - len(phrase) + 1):
            some = spans[i : i + len(phrase)]
            if tuple(what for _, _, what in some) == phrase and not any(
                any(map(str.isalnum, plain[before[1] : after[0]])) for before, after in pairwise(some)
            ):
                in_phrase.update(range(i, i + len(phrase)))
    return [s for i, s in enumerate(spans) if i in in_phrase or s[2] in matched.alone or s[2] not in matched.terms]


def _by_words(plain: str, terms: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    for word in _WORD.finditer(plain):
        written = word[0]
        folded = written.lower() if written.isascii() else fold(written)
        if folded in terms or _has_part(written, terms):
            yield word.start(), word.end(), folded


def _in_ascii(plain: str, terms: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    """As `_by_words`, where a word is letters and digits, and its folded form as long as it is."""
    folded, is_within = plain.lower(), False
    for term in terms:
        at = folded.find(term)
        while at >= 0:
            end = at + len(term)
            if folded[at - 1 : at].isalnum() or folded[end : end + 1].isalnum():
                is_within = True
            else:
                yield at, end, term
            at = folded.find(term, at + 1)
    if is_within and not terms.isdisjoint(parts(plain)):
        for word in _SEAMED.finditer(plain):
            if (found := word[0].lower()) not in terms and _has_part(word[0], terms):
                yield word.start(), word.end(), found


def _has_part(word: str, terms: frozenset[str]) -> bool:
    """Whether one of the terms is a part of a word with seams: it has capitals or digits in it."""
    return len(word) > 1 and not word[1:].islower() and any(part in terms for part in parts(word))


def _mapped(plain: str) -> tuple[str, list[tuple[int, int]]]:
    """The folded text, and of each of its characters where in `plain` what it is made of begins and ends."""
    folded, places = [], list[tuple[int, int]]()
    for cluster in _CLUSTER.finditer(plain):
        piece = fold(cluster[0])
        folded.append(piece)
        places += [cluster.span()] * len(piece)
    return "".join(folded), places


def _best(plain: str, spans: Sequence[tuple[int, int, str]], lines: Sequence[int]) -> int:
    """Where the stretch with most different words begins, a little before the first of them."""
    best, where, end = 0.0, 0, 0
    inside: Counter[str] = Counter()
    for i, (start, _, what) in enumerate(spans):
        while end < len(spans) and spans[end][1] <= start + MAX_CHARS - LEAD:
            inside[spans[end][2]] += 1
            end += 1
        worth = len(inside) + 0.01 * (end - i)
        if worth > best:
            best, where = worth, start
        inside[what] -= 1
        if not inside[what]:
            del inside[what]
        end = max(end, i + 1)
    if where + MAX_CHARS - LEAD > len(plain) and len(plain) <= MAX_CHARS:
        return 0
    begins = max((line for line in lines if line <= where), default=0)
    if where - begins <= LEAD:
        return begins  # where the line begins
    return max(0, min(where - LEAD, len(plain) - MAX_CHARS))


def _at_words(plain: str, start: int, end: int) -> tuple[int, int]:
    """Not within a word, where there is a blank nearby."""
    if start > 0 and plain[start - 1] != " " and (blank := plain.find(" ", start, start + 20)) >= 0:
        start = blank + 1
    if end < len(plain) and plain[end] != " " and (blank := plain.rfind(" ", max(start, end - 20), end)) > 0:
        end = blank
    return start, end
