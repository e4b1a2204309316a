"""A question as full text sees it: words, what stands together, what is quoted, and the names it may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from vragd.catalog.fold import fold, is_unspaced, name_key, numbers, pairs, parts, runs, symbols
from vragd.catalog.indexing import dates_in
from vragd.catalog.stems import stem

MAX_WORDS, MAX_PHRASES = 64, 16
LONGEST_RUN = 12  # of an unspaced script: what is longer is a sentence, which is asked about what it means
LONGEST_ACRONYM = 5  # letters typed as capitals are no word that may be misspelt
LONGEST_LONE = 6  # beyond that it may be a sentence all the same
LEAST_SENTENCE, LONGEST_WHOLE = 4, 32  # terms that are looked for as they stand
_LINK = re.compile(r"!?\[\[([^\[\]|#\n]+)(?:#[^\[\]|\n]*)?(?:\|[^\[\]\n]*)?\]\]")
_PLACE = re.compile(r"(.+?)(?::\d+(?:[-:]\d+)?)?")  # as hits print it, with lines
_IS_FILE = re.compile(r"\.(?:md|markdown|txt|canvas)$")
MAX_FOLDERS = 32
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY, _YEAR = r"(?P<day>[0-9]{1,2})", r"(?P<year>[0-9]{4})"
_WEEKDAY = r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?\.?,? +)?"
_DATES = tuple(
    re.compile(form)
    for form in (
        rf"{_YEAR}[-/](?P<month>[0-9]{{1,2}})[-/]{_DAY}", rf"{_DAY}\. ?(?P<month>[0-9]{{1,2}})\. ?{_YEAR}",
        rf"{_WEEKDAY}{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}",
        rf"{_WEEKDAY}{_DAY}(?:st|nd|rd|th|\.)? {_MONTH},? {_YEAR}",
    )
)  # fmt: skip
"""Those that say the same to everybody, as 9/4/2026 does not; 2026.4.9 may be a version."""
_QUOTED = re.compile(r'"([^"]*)"|“([^”]*)”|„([^“”]*)[“”]|«([^»]*)»')

# What an English question is made of, and not about.
_FRAME = """
a about after again all also am an and any are as at be because been before being both but by can could did didn do
does doing don each else ever find for from get got had has have having he her here him his how i if in into is isn it
its just know like ll m make many may me might mine more most much my need no nor not of off on once one only onto or
other our ours out over own re s same say see shall she should show so some such t tell than that the their theirs them
then there these they this those through to too under until up upon us use used using ve very want was wasn way we were
what when where whether which while who whom whose why will with within without would you your yours
"""
_IN_FRAME = frozenset(_FRAME.split())


@dataclass(frozen=True, slots=True)
class Word:
    """
    A term that may match: what was typed, folded. Its `stem`, if it may have other forms; its `parts`, if it has seams.

    `may_be_wrong`: a plain word, so that another may be meant where this one is nowhere. `quoted`: this very word is
    meant, and neither another form of it nor anything else.
    """

    term: str
    stem: str = ""
    parts: tuple[str, ...] = ()
    may_be_wrong: bool = False
    quoted: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether its parts are not all of it: a single digit or letter is none, as of mp4."""
        return sum(map(len, self.parts)) < len(self.term) if self.parts else False

    @property
    def about(self) -> bool:
        """Whether it says what the question is about, as far as can be told."""
        return self.quoted or self.term not in _IN_FRAME


@dataclass(frozen=True, slots=True)
class Asked:
    """
    `phrases` and `quoted` are terms in the order they must stand in; `plain` is the question without its quotes.
    `names` are what it may be as a whole; `paths`, from a folder's on, if it is none of them: the first that there is.
    """

    words: tuple[Word, ...]
    phrases: tuple[tuple[str, ...], ...]
    quoted: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    plain: str
    paths: tuple[str, ...] = ()

    @property
    def has_blanks(self) -> bool:
        """Whether it is more than one word as it is typed."""
        return len(self.plain.split()) > 1

    @property
    def is_lone(self) -> bool:
        """Whether it is one word, or what is written as one: whoever asks so wants what has it."""
        pieces = self.plain.split()
        if len(pieces) != 1:
            return False
        return not any(is_unspaced(run) and len(run) > LONGEST_LONE for run in runs(fold(pieces[0])))


def asked(text: str) -> Asked:
    """The question in full. Words and phrases beyond MAX_WORDS and MAX_PHRASES are left out."""
    quotes = ["".join(groups) for groups in _QUOTED.findall(text)]
    plain = _QUOTED.sub(lambda match: f" {''.join(filter(None, match.groups()))} ", text).strip()
    in_quotes = {run for quote in quotes for run in runs(fold(quote))}
    words: dict[str, Word] = {}
    phrases: dict[tuple[str, ...], None] = {}
    for piece in plain.split():
        found = runs(fold(piece))
        for word in _words(piece, found, in_quotes):
            if len(words) < MAX_WORDS:
                words.setdefault(word.term, word)
        for phrase in (*_phrases(found), *(() if in_quotes.issuperset(found) else numbers(piece))):
            if len(phrases) < MAX_PHRASES:
                phrases.setdefault(phrase)
    quoted = [tuple(_terms(runs(fold(quote)))) for quote in quotes]
    return Asked(
        tuple(words.values()), tuple(phrases), tuple(q for q in quoted if q), tuple(_names(plain)), plain,
        tuple(_paths(plain)),
    )  # fmt: skip


def _words(piece: str, found: list[str], in_quotes: set[str]) -> Iterator[Word]:
    together = len(found) > 1
    seams = tuple(dict.fromkeys(parts(piece)))
    has_numbers = bool(numbers(piece))
    for run in found:
        if is_unspaced(run):
            yield from (Word(pair, pair if len(pair) == 1 else "") for pair in pairs(run))
            continue
        own = seams
        if together:  # python of python3.11
            own = tuple(part for part in seams if part.isalpha() and part in run) if has_numbers else ()
            if len(run) == 1 or run.isdecimal() or (has_numbers and not own and not run.isalpha()):
                continue  # of 1.2.3, v1.2.3 and e.g.: next to each other or not at all
        quoted = run in in_quotes
        is_name = piece.isupper() and len(run) <= LONGEST_ACRONYM
        plain = run.isalpha() and not together and not seams and not quoted and not is_name
        formed = run.isascii() and run.isalpha() and not quoted
        yield Word(run, stem(run) if formed else "", () if quoted else own, plain, quoted)
    yield from (Word(symbol) for symbol in symbols(piece))


def _phrases(found: list[str]) -> Iterator[tuple[str, ...]]:
    for run in found:
        if is_unspaced(run) and 3 <= len(run) <= LONGEST_RUN:
            yield tuple(pairs(run))
    if len(found) > 1 and sum(map(len, found)) <= 200:
        yield tuple(_terms(found))


def _terms(found: Iterable[str]) -> list[str]:
    """The terms of runs that follow each other, as the index has them."""
    terms: list[str] = []
    trailing = ""
    for run in found:
        terms += [trailing] if trailing else []
        terms += pairs(run) if is_unspaced(run) else [run]
        trailing = run[-1] if is_unspaced(run) and len(run) > 1 else ""
    return terms


def _names(text: str) -> Iterator[str]:
    if key := name_key(text):
        yield key
    if (link := _LINK.fullmatch(text)) and (key := name_key(link[1])):
        yield key
    if day := _day(text):
        yield f"date {day}"


def _day(text: str) -> str:
    """The day that the question is, as 2024-04-09; '' if it is none."""
    dates = dates_in(text)
    if len(dates) == 1 and len(text.strip()) <= len(dates[0]):
        return dates[0]
    written = " ".join(fold(text).split())
    for said in filter(None, (form.fullmatch(written) for form in _DATES)):
        parts_ = said.groupdict()
        month = _MONTHS.index(parts_["name"][:3]) + 1 if "name" in parts_ else int(parts_["month"])
        with suppress(ValueError):  # 2026/02/30
            return date(int(parts_["year"]), month, int(parts_["day"])).isoformat()
    return ""


def _paths(text: str) -> Iterator[str]:
    """
    What notes may be called, the longest first, if the question is a path that begins further up than the source: with
    its label, as hits are printed, at the root of the machine or at `.`; also of Windows, and with lines behind it.
    """
    link, place = _LINK.fullmatch(text), _PLACE.fullmatch(text)
    path = link[1] if link else place[1] if place else ""
    folders = path.replace("\\", "/").split("/")
    if not 1 < len(folders) <= MAX_FOLDERS or "://" in path:
        return
    for i in range(len(folders)):
        key = name_key("/".join(folders[i:]))
        if key and ("/" in key or _IS_FILE.search(key)):  # `ip` of tcp/ip is another thing
            yield key


def whole_terms(question: Asked) -> tuple[str, ...]:
    """
    The terms, in their order, of what is asked, where it is looked for as it stands: be it a word or a sentence, it has
    no blank, or so many words, two of which it is about, as few texts have in a row by chance. () for all else.
    """
    terms = tuple(_terms(runs(fold(question.plain)))) or tuple(word.term for word in question.words)
    is_whole = not question.has_blanks
    is_sentence = len(terms) >= LEAST_SENTENCE and sum(word.about for word in question.words) > 1
    return terms if (is_whole or is_sentence) and len(terms) <= LONGEST_WHOLE else ()


def has(folded: str, phrase: Iterable[str]) -> bool:
    """Whether the terms of a phrase stand next to each other in a folded text."""
    return f" {' '.join(phrase)} " in f" {' '.join(_terms(runs(folded)))} "


def expression(terms: Iterable[str]) -> str:
    """The terms next to each other, as full text is asked for them."""
    return '"' + " ".join(term.replace('"', '""') for term in terms) + '"'


def any_of(terms: Iterable[str]) -> str:
    """Any of the terms, as full text is asked for them."""
    return " OR ".join(expression([term]) for term in terms)
