"""Facts that filters ask for, at one instant of the catalog. Sets of notes are their ids: int64, sorted, each once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import apsw
import numpy as np

from vragd.catalog.asked import expression
from vragd.catalog.facts import text_of
from vragd.catalog.fold import fold, is_unspaced, pairs, runs
from vragd.catalog.link_names import fold as same_name
from vragd.catalog.lookup import below
from vragd.catalog.model import from_blob

MOST_TERMS = 1_000  # that contain what was typed: of more every note is looked at
AT_ONCE = 200  # texts that are unpacked


class Entry(NamedTuple):
    """A note as filters see it from outside. `modified_ns` is the file's, since 1970."""

    id: int
    source: str
    path: str
    modified_ns: int


class Selecting:
    """Reads of one connection inside a transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._found: dict[str, np.ndarray | None] = {}

    def all(self) -> np.ndarray:
        """Every note that can be found."""
        return self._ids("select note_id from note_words")

    def tagged(self, tag: str) -> np.ndarray:
        """Notes with the tag, or one below it; in whatever case."""
        name = fold(tag)
        return self._ids(
            "select note_id from note_tag where tag = ? or (tag > ? and tag < ?)", name, f"{name}/", f"{name}0"
        )

    def of_source(self, labels: Sequence[str]) -> np.ndarray:
        marks = ",".join("?" * len(labels))
        sql = f"select n.id as note_id from note n join source s on s.id = n.source_id where s.label in ({marks})"
        return self._ids(sql, *labels)

    def modified(self, start_ns: int | None, end_ns: int | None) -> np.ndarray:
        """Notes whose files were modified between two moments, half-open, since 1970; None where that is open."""
        sql = "select id as note_id from note where (?1 is null or mtime_ns >= ?1) and (?2 is null or mtime_ns < ?2)"
        return self._ids(sql, start_ns, end_ns)

    def written(self) -> int:
        """How many commits wrote notes, ever, be it the time of a file alone."""
        return int(self._db.execute("select written from store").get)

    def changed_since(self, written: int) -> np.ndarray:
        """Notes that later commits wrote; what is gone by now is not told of."""
        return self._ids("select id as note_id from note where changed > ?", written)

    def below(self, folder: str) -> np.ndarray:
        """Notes below a folder: a path within a source, or, as hits print it, one with the source's label before it."""
        found = [self._ids("select id as note_id from note where path >= ? and path < ?", *below(folder))]
        labels: list[tuple[int, str]] = list(self._db.execute("select id, label from source"))
        for source, label in labels:
            if folder == label:
                found.append(self._ids("select id as note_id from note where source_id = ?", source))
            elif folder.startswith(f"{label}/"):
                inside = "select id as note_id from note where source_id = ? and path >= ? and path < ?"
                found.append(self._ids(inside, source, *below(folder[len(label) + 1 :])))
        return np.unique(np.concatenate(found))

    def properties(self, name: str, notes: np.ndarray | None = None) -> list[tuple[int, str]]:
        """(note, value as JSON) of each of the notes, or of all, with the property, called as `spellings` has it."""
        if notes is not None:
            return [(note, value) for note, _, value in self.values_of(notes, name)]
        sql = "select note_id, value from note_property where name in (select value from json_each(?)) order by 1, name"
        return list(self._db.execute(sql, (json.dumps(self.spellings(name)),)))

    def spellings(self, name: str) -> list[str]:
        """A property's name as notes have it: in whatever case, and however its letters are composed."""
        key = name.lower()
        sql = (
            "with recursive one(name) as (select min(name) from note_property union all"
            " select (select min(name) from note_property where name > one.name) from one where one.name is not null)"
            " select name from one where name is not null"
        )
        if key.isascii() and list(self._db.execute("select 1 from note_property where name = ? limit 1", (key,))):
            return [key]
        wanted = same_name(key)
        return [there for (there,) in self._db.execute(sql) if same_name(there) == wanted]

    def tags_of(self, notes: np.ndarray) -> list[tuple[int, str, str]]:
        """(note, tag, as it is written there) of each tag of these notes, by note."""
        sql = "select note_id, tag, shown from note_tag where note_id in (select value from json_each(?)) order by 1, 2"
        return list(self._db.execute(sql, (said(notes),)))

    def values_of(self, notes: np.ndarray, name: str = "") -> list[tuple[int, str, str]]:
        """(note, property, value as JSON) of each property of these notes, or of the one called `name`, by note."""
        sql = "select note_id, name, value from note_property where note_id in (select value from json_each(?1))"
        names = json.dumps(self.spellings(name)) if name else None
        named = "(?2 is null or name in (select value from json_each(?2)))"
        return list(self._db.execute(f"{sql} and {named} order by note_id, name", (said(notes), names)))

    def entries(self, notes: np.ndarray, latest: int | None = None) -> list[Entry]:
        """Those notes from outside, by id; or so many of them whose files were modified last, the last first."""
        order, limit = ("n.id", -1) if latest is None else ("n.mtime_ns desc, s.label, n.path", latest)
        rows = self._db.execute(
            "select n.id, s.label, n.path, n.mtime_ns from note n join source s on s.id = n.source_id"
            f" where n.id in (select value from json_each(?)) order by {order} limit ?",
            (said(notes), limit),
        )
        return [Entry(note, label, from_blob(path), modified) for note, label, path, modified in rows]

    def sizes(self, notes: Iterable[int]) -> dict[int, int]:
        """How many bytes the files of these notes have."""
        sql = "select id, size from note where id in (select value from json_each(?))"
        return dict(self._db.execute(sql, (json.dumps(list(notes)),)))

    def every_tag(self) -> list[tuple[int, str]]:
        """(note, tag, folded) of each tag of each note."""
        return list(self._db.execute("select note_id, tag from note_tag"))

    def linking(self, *, embed: bool) -> np.ndarray:
        """Notes that have an embed, or a link that is none; wherever it leads."""
        return self._ids("select distinct note_id from link where embed = ?", int(embed))

    def texts(self, notes: np.ndarray) -> Iterator[tuple[int, str]]:
        """(note, its text) of those of the notes that have one, in order."""
        for at in range(0, len(notes), AT_ONCE):
            some = said(notes[at : at + AT_ONCE])
            sql = "select note_id, text from note_source where note_id in (select value from json_each(?)) order by 1"
            for note, packed in list(self._db.execute(sql, (some,))):
                yield note, text_of(packed)

    def passages(self, note: int) -> list[tuple[tuple[str, ...], int, str]]:
        """(headings, first line, text) of each chunk of a note, in order."""
        sql = "select heading, line_from, text from chunk where note_id = ? order by ordinal"
        return [(tuple(json.loads(heading)), line, text) for heading, line, text in self._db.execute(sql, (note,))]

    def text_hashes(self, notes: np.ndarray) -> list[tuple[int, bytes]]:
        """(note, hash of a text) of all that these notes have vectors of: of chunks, in order, or else of the title."""
        sql = (
            "select note_id, text_hash from (select note_id, text_hash, ordinal from chunk where embedded"
            " union all select note_id, title_hash, -1 from note_words w"
            " where not exists (select 1 from chunk c where c.note_id = w.note_id and c.embedded))"
            " where note_id in (select value from json_each(?)) order by note_id, ordinal"
        )
        return list(self._db.execute(sql, (said(notes),)))

    def perhaps_having(self, text: str) -> np.ndarray | None:
        """At least the notes that have `text` somewhere, in whatever spelling; None where that may be most."""
        if text not in self._found:
            self._found[text] = self._perhaps_having(text)
        return self._found[text]

    def is_one_term(self, text: str) -> bool:
        """Whether what `perhaps_having` gives does have it, in the text or name, or in the names of folders."""
        folded = fold(text.strip())
        return runs(folded) == [folded] and not is_unspaced(folded)

    def _perhaps_having(self, text: str) -> np.ndarray | None:
        found: np.ndarray | None = None
        words = runs(fold(text))
        for at, run in enumerate(words):
            terms = self._terms(run, whole=0 < at < len(words) - 1)
            if terms is None:
                continue
            match = " OR ".join(expression([term]) for term in terms)
            notes = self._ids("select note_id from note_head where instr(text, ?)", run)
            notes = np.union1d(notes, self._matching(match)) if terms else notes
            found = notes if found is None else np.intersect1d(found, notes, assume_unique=True)
            if not len(found):
                break
        return found

    def _terms(self, run: str, *, whole: bool) -> list[str] | None:
        """The terms one of which a text with that run has; None for too many."""
        if is_unspaced(run) and len(run) > 1:
            return pairs(run)[:1]
        if whole and not is_unspaced(run):
            return [run]
        sql = "select distinct word from main.word_form where instr(word, ?) limit ?"
        terms = [term for (term,) in self._db.execute(sql, (run, MOST_TERMS + 1))]
        return terms if len(terms) <= MOST_TERMS else None

    def _matching(self, match: str) -> np.ndarray:
        sql = "select group_concat(rowid) from (select rowid from main.note_text where note_text match ?)"
        ((rows,),) = self._db.execute(sql, (match,))
        return np.unique(np.fromstring(rows or "", dtype=np.int64, sep=","))

    def names(self, kind: str) -> list[str]:
        """Every `tag` as it is written, or the name of every `property`."""
        sql = {"tag": "select distinct shown from note_tag", "property": "select distinct name from note_property"}
        return [name for (name,) in self._db.execute(sql[kind])]

    def latest(self, notes: np.ndarray, most: int) -> list[int]:
        """Of these notes the `most` whose files were modified last, the last first."""
        sql = "select id from note where id in (select value from json_each(?)) order by mtime_ns desc, id limit ?"
        return [note for (note,) in self._db.execute(sql, (said(notes), most))]

    def _ids(self, sql: str, *bound: str | int | bytes | None) -> np.ndarray:
        ((rows,),) = self._db.execute(f"select group_concat(note_id) from ({sql})", bound)
        return np.unique(np.fromstring(rows or "", dtype=np.int64, sep=","))


def said(notes: np.ndarray) -> str:
    """Ids as JSON, for `json_each`."""
    return json.dumps(notes.tolist())
