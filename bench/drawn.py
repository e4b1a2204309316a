"""
Questions drawn from a vault by a seed, and how often what they are drawn from comes first: words, names, days. And
questions that no note answers, and how often one is shown all the same.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vragd.catalog.fold import fold, runs
from vragd.catalog.indexing import Named, dates_in
from vragd.catalog.model import from_blob
from vragd.catalog.stems import stem
from vragd.embed.builtin import embedder
from vragd.search.ask import Question, Target, ask

SEED, MOST = 7, 200
LEAST_LETTERS = 5


def drawn(target: Target) -> dict[str, Any]:
    """Shares, in [0, 1], of questions of each kind."""
    rng = random.Random(SEED)
    chunks, notes = _contents(target)
    return {
        "word_of_one_passage_first": _words(target, chunks, rng),
        "name_first": _names(target, notes, rng),
        "alias_first": _aliases(target, rng),
        "date_first": _dates(target, notes),
        "nonsense_answered": _nonsense(target, chunks, rng),
        "words_of_no_note_answered": _foreign_words(target, chunks, rng),
    }


def _contents(target: Target) -> tuple[list[tuple[str, tuple[int, int], str]], list[tuple[str, str]]]:
    """(path, lines, text) of each chunk, (path, title) of each note."""
    with target.reader.snapshot() as now:
        paths = [row.path for row in target.reader.files()]
        lookup = now.lookup
        ids = list(range(1, 2 * len(paths) + 10_000))
        notes = [(path, title) for _, path, title in lookup.notes(ids).values()]
        found = lookup.passages(lookup.chunks_in(ids))
    return [(one.path, one.lines, one.text) for one in found.values()], notes


def _words(target: Target, chunks: list[tuple[str, tuple[int, int], str]], rng: random.Random) -> dict[str, Any]:
    """Words that stand in one passage, in no other form, asked alone."""
    everything = Counter(word for _, _, text in chunks for word in set(runs(fold(text))))
    joined = "\n".join(fold(text) for _, _, text in chunks)
    lone = [
        (path, lines, word)
        for path, lines, text in chunks
        for word in sorted(set(runs(fold(text))))
        if everything[word] == 1 and word.isalpha() and len(word) >= LEAST_LETTERS
    ]
    rng.shuffle(lone)
    lone = [one for one in lone[: 4 * MOST] if joined.count(one[2]) == 1][:MOST]
    missed = []
    for path, lines, word in lone:
        hits = ask(target, Question(word)).hits
        if not hits or (hits[0].path, hits[0].lines) != (path, lines):
            missed.append(word)
    return share(len(lone), missed)


def _names(target: Target, notes: list[tuple[str, str]], rng: random.Random) -> dict[str, Any]:
    """Names of files, asked as they are."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for path, title in notes:
        by_name[Named(path, title).stem].append(path)
    names = rng.sample(sorted(by_name), min(MOST, len(by_name)))
    missed = []
    for name in names:
        hits = ask(target, Question(name)).hits
        if not hits or hits[0].path not in by_name[name]:
            missed.append(name)
    return share(len(names), missed)


def _aliases(target: Target, rng: random.Random) -> dict[str, Any]:
    """Other names of notes, asked as they are."""
    by_name: dict[str, list[str]] = defaultdict(list)
    with target.reader.snapshot() as now:
        for path, names in now.db.execute("select path, names from note"):
            for name in json.loads(names):
                by_name[name].append(from_blob(path))
    names = rng.sample(sorted(by_name), min(MOST, len(by_name)))
    missed = []
    for name in names:
        hits = ask(target, Question(name)).hits
        if not hits or hits[0].path not in by_name[name]:
            missed.append(name)
    return share(len(names), missed)


def _dates(target: Target, notes: list[tuple[str, str]]) -> dict[str, Any]:
    """Days that a note is named by."""
    days: dict[str, list[str]] = defaultdict(list)
    for path, title in notes:
        for day in dates_in(Named(path, title).stem):
            days[day].append(path)
    missed = []
    for day, paths in list(days.items())[:MOST]:
        hits = ask(target, Question(day)).hits
        if not hits or hits[0].path not in paths:
            missed.append(day)
    return share(len(days), missed)


def _nonsense(target: Target, chunks: list[tuple[str, tuple[int, int], str]], rng: random.Random) -> dict[str, Any]:
    """Strings of letters, two or three at a time: each pronounceable, none a word of the vault."""
    known = {word for _, _, text in chunks for word in runs(fold(text))}
    asked = []
    for _ in range(MOST):
        words: list[str] = []
        while len(words) < rng.choice((2, 3)):
            word = "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4)))
            words += [word] if word not in known else []
        asked.append(" ".join(words))
    return answered(target, asked)


def _foreign_words(
    target: Target, chunks: list[tuple[str, tuple[int, int], str]], rng: random.Random
) -> dict[str, Any]:
    """Words of the model's vocabulary, two to four at a time, none a word of the vault or another form of one."""
    known = {stem(word) for _, _, text in chunks for word in runs(fold(text))}
    vocabulary = json.loads((Path(embedder.__file__).parent / "minilm/tokenizer.json").read_text("utf-8"))
    words = sorted(
        word
        for word in vocabulary["model"]["vocab"]
        if word.isascii() and word.isalpha() and len(word) >= LEAST_LETTERS and stem(word) not in known
    )
    return answered(target, [" ".join(rng.sample(words, rng.randint(2, 4))) for _ in range(MOST)])


def answered(target: Target, asked: Sequence[str]) -> dict[str, Any]:
    """How many of some questions that have no answer get one."""
    found = [text for text in asked if ask(target, Question(text)).hits]
    return {"asked": len(asked), "share": round(len(found) / len(asked), 4) if asked else None, "answered": found[:10]}


def share(n: int, missed: list[str]) -> dict[str, Any]:
    """The share that was found, and some of what was not."""
    return {"asked": n, "share": round(1 - len(missed) / n, 4) if n else None, "missed": missed[:10]}
