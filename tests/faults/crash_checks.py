"""What must be true of a store at any instant, and after a restart. Read past the store where that is possible."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from tests.catalogs import beside
from tests.faults.crash_life import KNOWN, NAME, embedder_of, journal, vault_of
from tests.faults.crash_remote import Remote
from tests.faults.crash_scenarios import CLOSED
from vragd.catalog.model import BY_NOTE
from vragd.notes.chunk import read_note
from vragd.notes.page import embedded as text_of

Version = tuple[str, tuple[tuple[tuple[str, ...], tuple[int, int], str], ...]]
"""Title, and (headings, lines, text) of each chunk in order."""


TYPED = 5
"""The schema from which on there are columns where there were strings."""


class Violated(AssertionError):
    """A promise that was not kept."""


@lru_cache(2048)
def version(path: str, text: str) -> Version:
    """What a note is to answer as, worked out from the file alone."""
    found = read_note(text.encode(), Path(path).stem)
    return found.title, tuple((chunk.heading, chunk.lines, chunk.text) for chunk in found.chunks)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a dead process left."""

    notes: Mapping[str, Version]
    keys: Mapping[str, frozenset[str]]
    """Of the chunks that are to have a vector, by path."""
    places: Mapping[str, tuple[str, str, int, int]]
    """Path, title and lines by key."""
    written: str
    """The fingerprint of the space that is written, and of the one that answers."""
    answers: str
    spaces: Mapping[str, str]
    """The collection by fingerprint."""
    filled: frozenset[str]
    """The remote collections that hold all live keys."""
    embedded: Mapping[str, frozenset[str]]
    """The keys of the chunks there is a vector for, by fingerprint of the space."""
    intents: frozenset[str]
    closed: frozenset[str]
    """The notes that say that they are not for assistants."""
    unequal: int
    """Rows of chunks without full text, and the reverse."""
    schema: int
    tables: str


def catalog_of(home: Path) -> Catalog | None:
    """None if there is none, or nothing in it yet."""
    file = home / "data" / "stores" / NAME / "catalog.db"
    if not file.exists():
        return None
    with beside(file) as db:
        db.execute("begin")
        schema = _one(db, "pragma user_version")
        if not schema:
            return None
        notes: dict[str, Any] = {bytes(path).decode(): (title, []) for path, title in db.execute(
            "select path, title from note"
        )}  # fmt: skip
        keys: dict[str, set[str]] = {path: set() for path in notes}
        places = {}
        for blob, title, key, heading, first, last, text, embedded in db.execute(
            "select n.path, n.title, c.key, c.heading, c.line_from, c.line_to, c.text, c.embedded"
            " from chunk c join note n on n.id = c.note_id order by n.path, c.ordinal"
        ):
            path = bytes(blob).decode()
            notes[path][1].append((tuple(json.loads(heading)), (first, last), text))
            places[key] = (path, title, first, last)
            if embedded:
                keys[path].add(key)
        return Catalog(
            {path: (title, tuple(chunks)) for path, (title, chunks) in notes.items()},
            {path: frozenset(some) for path, some in keys.items()},
            places,
            *_chosen(db, schema),
            {
                fingerprint: frozenset(
                    key
                    for (key,) in db.execute(
                        "select key from chunk where text_hash in (select text_hash from embedding where space_id = ?)",
                        (i,),
                    )
                )
                for i, fingerprint in list(db.execute("select id, fingerprint from space"))
            },
            frozenset(key for (key,) in db.execute("select key from intent")),
            _closed(db),
            _one(db, "select count(*) from chunk where id not in (select rowid from chunk_text)")
            + _one(db, "select count(*) from chunk_text where rowid not in (select id from chunk)"),
            schema,
            " ".join(sql.lower() for (sql,) in db.execute("select sql from sqlite_master where sql is not null")),
        )


def _chosen(db: apsw.Connection, schema: int) -> tuple[str, str, dict[str, str], frozenset[str]]:
    """Which space is written and which answers, the collection of each, and which collections are filled."""
    if schema < TYPED:
        meta = dict(db.execute("select key, value from meta"))
        spaces = dict(db.execute("select fingerprint, collection from space"))
        assert "filled" not in meta, "no scenario has an old catalog of a remote backend"
        return meta.get("space", ""), meta.get("answers", ""), spaces, frozenset()
    ((written, answers),) = db.execute(
        "select coalesce((select fingerprint from space where id = space_id), ''),"
        " coalesce((select fingerprint from space where id = answers_id), '') from store"
    )
    spaces = dict(
        db.execute("select fingerprint, collection from space join target on space_id = space.id and role = 'primary'")
    )
    filled = db.execute("select collection from target where filled_to is null and place not in ('', 'faiss')")
    return written, answers, spaces, frozenset(collection for (collection,) in filled)


def _closed(db: apsw.Connection) -> frozenset[str]:
    if not _one(db, "select count(*) from pragma_table_info('note') where name = 'closed'"):
        return frozenset()
    rows = db.execute(f"select path from note where closed & {BY_NOTE}")
    return frozenset(bytes(path).decode() for (path,) in rows)


def _one(db: apsw.Connection, sql: str) -> int:
    ((value,),) = db.execute(sql)
    return int(value)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a reader may see of each note: the versions at the last two moments the journal knows of."""

    by_path: Mapping[str, frozenset[Version | None]]
    withheld: Collection[str] = ()
    """Notes that no assistant may be shown any more."""

    @classmethod
    def at_the_end_of(cls, home: Path) -> Allowed:
        old: dict[str, str] = {}
        new: dict[str, str] = {}
        was_deleted, withheld = False, list[str]()
        for line in journal(home):
            if "vault" in line:
                new, withheld = line["vault"], []
            elif "withheld" in line:
                withheld += line["withheld"]
            elif "deleted" in line:
                was_deleted = True
            elif "synced" in line:
                old, was_deleted = new, False
        moments: list[Mapping[str, str]] = [old, new, *([{}] if was_deleted else [])]
        paths = {path for moment in moments for path in moment}
        by_path = {
            path: frozenset(version(path, moment[path]) if path in moment else None for moment in moments)
            for path in paths
        }
        return cls(by_path, () if was_deleted else withheld)

    def and_now(self, home: Path) -> Allowed:
        """The same, and what the vault holds now."""
        now = {path: version(path, text) for path, text in vault_of(home / "vault").items()}
        nothing = frozenset({None})
        return Allowed({
            path: self.by_path.get(path, nothing) | {now.get(path)} for path in self.by_path.keys() | now.keys()
        })  # fmt: skip


def check_reader(
    what: str, allowed: Allowed, catalog: Catalog | None, keys: Collection[str] | None, old_space: str = ""
) -> None:
    """
    Each note answers whole, as it was or as it is to be; `keys` are those a query by vector finds, if it can.

    While the `old_space` answers, what was written since has no vector there and is found by its words.
    """
    notes = catalog.notes if catalog else {}
    for path in notes.keys() | allowed.by_path.keys():
        if notes.get(path) not in allowed.by_path.get(path, frozenset({None})):
            raise Violated(f"{what}: {path} answers as neither its old nor its new version: {notes.get(path)}")
        if catalog is None or keys is None:
            continue
        wanted = catalog.keys.get(path, frozenset())
        if lost := (wanted & catalog.embedded[old_space] if old_space else wanted) - frozenset(keys):
            raise Violated(f"{what}: {path} answers without {len(lost)} of its chunks")
    if catalog and (shown := set(allowed.withheld) & catalog.notes.keys() - catalog.closed):
        raise Violated(f"{what}: assistants are shown {shown}")
    if catalog and catalog.unequal:
        raise Violated(f"{what}: {catalog.unequal} chunks cannot be found by their words")
    if catalog:
        _check_schema(what, catalog)


def _check_schema(what: str, catalog: Catalog) -> None:
    has = ("embedder text" in catalog.tables, "n_chunks" in catalog.tables, "table sizes" in catalog.tables)
    expected = tuple(catalog.schema >= version for version in (2, KNOWN + 1, KNOWN + 2))
    if has != expected:
        raise Violated(f"{what}: schema {catalog.schema} has {has}, expected {expected}")


def check_remote(what: str, allowed: Allowed, catalog: Catalog | None, remote: Remote) -> None:
    """What a query finds that is put to it at this very moment, and joined with what the dead process left."""
    keys: set[str] | None = None
    old_space = ""
    if catalog:
        is_old = catalog.answers != catalog.written
        collection = catalog.spaces.get(catalog.answers)
        old_space = catalog.answers if is_old else ""
        if collection and (is_old or collection in catalog.filled):
            keys = remote.keys(collection)
    check_reader(what, allowed, catalog, keys, old_space)


def check_restart(what: str, home: Path, seen: Mapping[str, Any], allowed: Allowed, before: Catalog | None) -> None:
    """What a start finds before it scans, and that it makes the index what the vault is."""
    if before and seen["refuses"]:  # what a backend refuses when it is put again is found by its words
        cursed = {key for key, text in _texts(before).items() if seen["refuses"] in text}
        before = replace(before, keys={path: keys - cursed for path, keys in before.keys.items()})
    for moment in ("opened", "prepared"):
        if (answers := seen[moment]) and not answers["partial"]:
            check_reader(f"{what}, {moment}", allowed, before, answers["keys"], answers["old_space"])
    after = catalog_of(home)
    vault = vault_of(home / "vault")
    expected = {path: version(path, text) for path, text in vault.items()}
    _same(what, "notes", after.notes if after else {}, expected)
    assert after is not None
    embedded = frozenset().union(*after.keys.values())
    _same(what, "live keys", seen["live"], embedded)
    _same(what, "keys in the backend", seen["keys"], embedded)
    _same(what, "answering keys", seen["final"]["keys"], embedded)
    _same(what, "intents", after.intents, frozenset())
    _same(what, "closed", after.closed, {path for path, text in vault.items() if text.startswith(CLOSED)})
    _same(what, "spaces", list(after.spaces.values()), [seen["collection"]])
    _same(what, "collections", seen["collections"], [seen["collection"]])
    _same(what, "problems", seen["problems"], [])
    _same(what, "temporary files", [str(file) for file in (home / "data").rglob(".*.tmp")], [])
    _check_vectors(what, seen, after)


def _check_vectors(what: str, seen: Mapping[str, Any], after: Catalog) -> None:
    embedder = embedder_of(seen["model"])
    chunks = _texts(after)
    for key, row in seen["vectors"].items():
        if not np.allclose(row, embedder.embed_query(text_of(chunks[key])), atol=2e-3):
            raise Violated(f"{what}: the vector of {key} is not that of its text")
    cursed = {key for key, text in chunks.items() if seen["refuses"] and seen["refuses"] in text}
    _same(what, "keys with vectors", seen["vectors"].keys() - cursed, chunks.keys() - cursed)


def _texts(catalog: Catalog) -> dict[str, str]:
    by_place = {(path, lines): text for path, (_, chunks) in catalog.notes.items() for _, lines, text in chunks}
    return {key: by_place[path, (first, last)] for key, (path, _, first, last) in catalog.places.items()}


def check_payloads(what: str, after: Catalog, kept: Mapping[str, Mapping[str, Any]]) -> None:
    """Whoever asks without a catalog is told path, title and lines as they are."""
    told = {
        key: (data["path"], data["title"], int(data["line_from"]), int(data["line_to"])) for key, data in kept.items()
    }
    embedded = frozenset().union(*after.keys.values())
    _same(what, "payloads", told, {key: place for key, place in after.places.items() if key in embedded})


def _same(what: str, which: str, found: Any, expected: Any) -> None:
    if found == expected:
        return
    if isinstance(found, Iterable) and isinstance(expected, Iterable):
        found, expected = (sorted(map(str, side)) for side in (found, expected))
        found, expected = [x for x in found if x not in expected], [x for x in expected if x not in found]
        raise Violated(f"{what}: {which}: too much {found[:3]}, missing {expected[:3]}")
    raise Violated(f"{what}: {which}: {found}, expected {expected}")
