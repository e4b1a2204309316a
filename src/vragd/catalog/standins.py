"""
What is looked for in place of a word that stands nowhere: words that contain it, and it written apart (pourover for
pour-over) or with umlauts (Mueller for Müller), or else one it may be misspelt for.

Only for a question with such a word: for what has it in its middle all of the vocabulary is read, some ten thousand
terms, for the rest a part of an index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import apsw

from vragd.catalog.asked import Word, expression
from vragd.catalog.fold import SOME_MARKS, fold
from vragd.catalog.model import from_blob
from vragd.catalog.resolve import Column, Resolved, missing
from vragd.catalog.words import Statistics, Words

LEAST_PART, LEAST_MISSPELT, LEAST_TWICE_WRONG = 4, 4, 9  # letters
MOST_APART = 24  # letters: no more places are tried
NO_HALF = frozenset("ai")  # words of one letter, which stand before any other: ahead is not "a head"
MOST = 8  # terms for one word
STAND_IN = 0.5  # how much it counts beside other words: two of three that are taken for others are two guesses
_BEGINS = "word >= ?1 and word < ?1 || char(0x10ffff)"
MOST_WORDS = 6  # of one question: for each the whole vocabulary may be read
_LETTER_AND_E = re.compile("([aou])e|(a)a")  # ä, ö, ø, ü; å
_WORD = re.compile(rf"[\w{SOME_MARKS}]+")


def no_word(_: str) -> bool:
    """Who knows no word: any may be misspelt."""
    return False


def with_stand_ins(
    db: apsw.Connection, words: Words, resolved: Resolved, statistics: Statistics, n_words: int, *, exact: bool,
    is_word: Callable[[str], bool],
) -> Resolved:  # fmt: skip
    """
    `resolved` with terms for those of its words that are nowhere.

    Where most words of a question are nowhere it is of another language, and nothing stands in. Nor does anything for
    what was quoted, or for what a question is only made of. What has a digit in it or is written together is not
    misspelt, nor what `is_word` knows, which is spelled as it is meant; with `exact` nothing is.
    Of words beyond the first MOST_WORDS nothing is looked for. Beside other words what stands in counts STAND_IN, and
    the rest of its weight as missing; but a word written apart, in `apart`, or with umlauts is that word.
    """
    if not resolved.nowhere or resolved.foreign or (n_words > 2 and 2 * len(resolved.nowhere) > n_words):
        return resolved
    columns, nowhere, instead = list(resolved.columns), list[Word](), dict[str, str]()
    apart = list[tuple[str, str]]()
    n_looked_for, share = 0, 1.0 if n_words == 1 else STAND_IN
    not_met = resolved.missing - missing(statistics, resolved.nowhere)
    for word in resolved.nowhere:
        if word.quoted or not word.about or len(word.term) < LEAST_PART or n_looked_for == MOST_WORDS:
            nowhere.append(word)
            continue
        n_looked_for += 1
        found = list(_containing(db, words, word.term))
        halves = None if exact else _apart(db, words, word)
        with_umlauts = [] if exact or word.parts else list(_with_umlauts(db, words, word.term))
        if halves:
            apart.append(halves)
            instead[word.term] = " ".join(halves)
        elif with_umlauts:
            found += with_umlauts
            instead[word.term] = with_umlauts[0][0]
        elif not found and word.may_be_wrong and not exact and len(word.term) >= LEAST_MISSPELT:
            found = [] if is_word(word.term) else list(_misspelt(db, words, word.term))
            instead |= {word.term: other for other, _ in found[:1]}  # noqa: B035
        if found:
            count = sum(count for _, count in found)
            weight = (1.0 if with_umlauts else share) * statistics.weight(count)
            columns.append(Column(tuple(term for term, _ in found), weight, count))
            not_met += statistics.weight(count) - weight
        elif not halves:
            nowhere.append(word)
    not_met += missing(statistics, nowhere)
    return replace(
        resolved, columns=tuple(columns), missing=not_met, nowhere=tuple(nowhere), instead=instead, apart=tuple(apart)
    )


def _containing(db: apsw.Connection, words: Words, word: str) -> Iterator[tuple[str, int]]:
    """Terms that begin with the word as it was typed; or, if none does, that have it in their middle."""
    for where in (_BEGINS, "instr(word, ?1) > 1"):  # the first by an index: as long as a word is typed it begins others
        sql = f"select word from main.word_form where {where} order by length(word) limit ?2"
        there = (term for (term,) in db.execute(sql, (word, words.most(4 * MOST))) if words.stands(db, term))
        some = islice(there, MOST)
        if found := [(term, count) for term in some if (count := _count(db, words, term))]:
            yield from found
            return


def _apart(db: apsw.Connection, words: Words, word: Word) -> tuple[str, str] | None:
    """The two words that stand next to each other somewhere, most often of all, and are this one written together."""
    term, best, most = word.term, None, 0
    if not (word.may_be_wrong or word.parts) or not term.isalpha() or len(term) > MOST_APART:
        return None
    for at in range(1, len(term)):
        halves = term[:at], term[at:]
        if NO_HALF.isdisjoint(halves):
            phrase = expression(halves)
            count = _rows(db, words, "chunk_text", phrase) + _rows(db, words, "note_text", f"names : {phrase}")
            best, most = (halves, count) if count > most else (best, most)
    return best


def _with_umlauts(db: apsw.Connection, words: Words, word: str) -> Iterator[tuple[str, int]]:
    """The terms that are this word where some note writes umlauts or the like of them: muller of Müller for mueller."""
    ends = [found.end() for found in _LETTER_AND_E.finditer(word)]
    spelt = [_LETTER_AND_E.sub(lambda found: found[1] or found[2], word)] if ends else []
    spelt += [word[: end - 1] + word[end:] for end in ends]
    for term in dict.fromkeys(spelt[:MOST]):
        if (count := _count(db, words, term)) and _is_marked(db, words, term):
            yield term, count


def _is_marked(db: apsw.Connection, words: Words, term: str) -> bool:
    """Whether some text or name has the term with a letter that is none of ASCII: pot does not stand for poet."""
    match, texts = expression([term]), list[str]()
    sql = f"select text from chunk where id in (select rowid from {words.rows('chunk_text')} limit {MOST})"
    texts += (text for (text,) in db.execute(sql, (match,)))
    of_notes = f"(select rowid from {words.rows('note_text')} limit {MOST})"
    for path, *others in db.execute(f"select path, title, names, words from note where id in {of_notes}", (match,)):
        texts += (from_blob(path), *others)
    return any(fold(one) == term for text in texts for one in _WORD.findall(text) if not one.isascii())


def _rows(db: apsw.Connection, words: Words, table: str, match: str) -> int:
    """How many rows match, at most MOST; as of now."""
    sql = f"select count(*) from (select 1 from {words.rows(table)} limit {MOST})"
    ((count,),) = db.execute(sql, (match,))
    return int(count)


def _misspelt(db: apsw.Connection, words: Words, word: str) -> Iterator[tuple[str, int]]:
    """
    The term that is least far from the word: one step, or two for a long one; of several the most frequent. People get
    the first letter right, or swap it with the second.
    """
    steps = 2 if len(word) >= LEAST_TWICE_WRONG else 1
    long_enough = f"select word from main.word_form where length(word) between ?2 and ?3 and {_BEGINS}"
    bound = (len(word) - steps, len(word) + steps)
    rows = (row for beginning in (word[0], word[1] + word[0]) for row in db.execute(long_enough, (beginning, *bound)))
    near: dict[int, list[str]] = {}
    letters = set(word)
    for (term,) in dict.fromkeys(rows):
        # a wrong letter is one that the other has not, twice at most: nearly all differ by more
        if len(letters ^ set(term)) <= 2 * steps and term.isalpha() and (far := distance(word, term, steps)) <= steps:
            near.setdefault(far, []).extend([term] if words.stands(db, term) else [])
    for far in sorted(near):
        counted = [(count, term) for term in near[far][: 4 * MOST] if (count := _count(db, words, term))]
        if counted:
            count, term = max(counted)
            yield term, count
            return


def _count(db: apsw.Connection, words: Words, term: str) -> int:
    """In how many notes a term stands: a word of a note that is gone stays among the forms for a while."""
    ((count,),) = db.execute(f"select count(*) from {words.rows('note_text')}", (expression([term]),))
    return int(count)


def distance(one: str, other: str, most: int) -> int:
    """How many letters are wrong, missing, too many, or swapped with the next; `most` + 1 for more than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    one, other = one[start:], other[start:]
    before, row = list[int](), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
