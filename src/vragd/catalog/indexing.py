"""A note's words into full text, its profile and its names: the steps of a commit, inside its transaction."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import apsw
import xxhash

from vragd.catalog.fold import name_key
from vragd.catalog.model import from_blob
from vragd.catalog.profile import NAMES, OTHER, Group, group, packed
from vragd.catalog.stems import extras, forms
from vragd.catalog.stems import terms as terms_in

MAX_NAMES = 64
_DATE = re.compile(r"(?<!\d)(\d{4})[-._ ]?(0[1-9]|1[0-2])[-._ ]?(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True, slots=True)
class Named:
    """What a note is called, and the `words` that belong to it as a whole: the values of its properties."""

    path: str
    title: str
    aliases: tuple[str, ...] = ()
    words: str = ""

    @property
    def shown(self) -> str:
        """The path as text: of a name that is no UTF-8 what is."""
        return self.path.encode("utf-8", "replace").decode("utf-8")

    @property
    def stem(self) -> str:
        """The file's name without its suffix, as text."""
        return self.shown.rpartition("/")[2].rpartition(".")[0] or self.shown

    @property
    def folders(self) -> str:
        return " ".join(self.shown.split("/")[:-1])

    def called(self) -> set[str]:
        """By what it is found as a whole: each name, the path, the date in its file's name."""
        path = self.shown
        names = [
            self.title,
            self.stem,
            path.rpartition("/")[2],
            path,
            path.removesuffix(".md"),
            *self.aliases[:MAX_NAMES],
        ]
        dates = [f"date {date}" for date in dates_in(self.stem)]
        return {key for name in names if (key := name_key(name))} | set(dates)


def dates_in(text: str) -> list[str]:
    """The days in a text, as 2024-04-09."""
    return ["-".join(match.groups()) for match in _DATE.finditer(text)]


def title_hash(title: str) -> bytes:
    """That of a title's embedding: the title is embedded as any text is."""
    return xxhash.xxh3_128_digest(title.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a chunk, or of what else belongs to a note, and how often each is there."""

    heading: list[str]
    text: list[str]
    parts: list[str]
    counted: Group

    @classmethod
    def of(cls, text: str, heading: Sequence[str] = ()) -> Terms:
        (of_heading, of_text, of_parts) = (
            terms_in(" \n ".join(heading)) if heading else [],
            terms_in(text),
            extras(text),
        )
        return cls(of_heading, of_text, of_parts, group([*of_text, *of_parts], of_heading))

    @property
    def distinct(self) -> dict[str, None]:
        """Each once, in order."""
        return dict.fromkeys([*self.text, *self.parts, *self.heading])


@lru_cache(256)
def terms_of_chunk(text: str, heading: tuple[str, ...]) -> Terms:
    """As `Terms.of`. A note that is being written is saved again and again, and nearly all of it is as it was."""
    return Terms.of(text, heading)


def index_chunk(db: apsw.Connection, rowid: int, terms: Terms) -> None:
    """Full text of one chunk."""
    db.execute(
        "insert into chunk_text(rowid, heading, text, parts) values (?, ?, ?, ?)",
        (rowid, " ".join(terms.heading), " ".join(terms.text), " ".join(terms.parts)),
    )
    _know_forms(db, terms.distinct)


def _know_forms(db: apsw.Connection, terms: Iterable[str]) -> None:
    db.executemany("insert or ignore into word_form(stem, word) values (?, ?)", forms(terms))


def index_note(db: apsw.Connection, note_id: int, note: Named, chunks: Iterable[tuple[int, Terms]]) -> None:
    """Words, profile and names of a note; `chunks` are (row id, terms) in order. It must have none."""
    names = Terms.of(" \n ".join(dict.fromkeys((note.title, note.stem, *note.aliases))))
    others = Terms.of(" \n ".join((note.folders, note.words)))
    groups = [(NAMES, names.counted), (OTHER, others.counted)]
    everything = dict[str, None]()
    for rowid, terms in chunks:
        groups.append((rowid, terms.counted))
        everything |= terms.distinct
    # names in full, so that they are found as phrases; of the text each term once, in no order that means anything
    whole = [*names.text, *names.parts, *others.text, *others.parts]
    known = set(whole)
    rest = [term for term in everything if term not in known]
    db.execute(
        "insert into note_words(note_id, title_hash, profile) values (?, ?, ?)",
        (note_id, title_hash(note.title), packed(groups)),
    )
    db.execute(
        "insert into note_text(rowid, names, terms) values (?, ?, ?)", (note_id, " ".join(whole), " ".join(rest))
    )
    _know_forms(db, {**names.distinct, **others.distinct})
    db.executemany("insert into note_name(name, note_id) values (?, ?)", ((key, note_id) for key in note.called()))


def forget_note(db: apsw.Connection, note_id: int) -> None:
    """What `index_note` wrote, if it did."""
    db.execute("delete from note_text where rowid = ?", (note_id,))
    db.execute("delete from note_words where note_id = ?", (note_id,))
    db.execute("delete from note_name where note_id = ?", (note_id,))


def index_all(db: apsw.Connection) -> None:
    """Every note and chunk anew, from what the catalog holds; embeds nothing. About 20 s for 100,000 chunks."""
    db.execute("insert into chunk_text(chunk_text) values ('delete-all')")
    db.execute("insert into note_text(note_text) values ('delete-all')")
    db.execute("delete from note_words")
    db.execute("delete from note_name")
    db.execute("delete from word_form")
    notes = list(db.execute("select id, path, title, names, words from note where state != 'skipped'"))
    for note_id, path, title, names, words in notes:
        rows = db.execute("select id, heading, text from chunk where note_id = ? order by ordinal", (note_id,))
        chunks = [(rowid, terms_of_chunk(text, tuple(json.loads(heading)))) for rowid, heading, text in rows]
        for rowid, terms in chunks:
            index_chunk(db, rowid, terms)
        index_note(db, note_id, Named(from_blob(path), title, tuple(json.loads(names)), words), chunks)
