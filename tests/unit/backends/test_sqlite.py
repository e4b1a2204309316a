"""One SQLite file: who may write it, what others read in it, and what happens when it is not what it was."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vragd.backends.base import Batch, Entry
from vragd.backends.sqlite.backend import SqliteVectors, create
from vragd.backends.sqlite.file import VectorFile
from vragd.backends.sqlite.settings import SqliteBackend
from vragd.errors import BackendRefused, BackendUnavailable, UnknownCollection, UsageError
from vragd.terms.filter import Moment, equals

HOLD = """
import sys
from pathlib import Path
from vragd.backends.sqlite.backend import create
from vragd.backends.sqlite.settings import SqliteBackend
create(SqliteBackend(type="sqlite", path=sys.argv[1]), Path()).create_collection("notes", 3, "cosine")
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "vectors.db"


def opened(path: Path, **given: object) -> SqliteVectors:
    return create(SqliteBackend.model_validate({"type": "sqlite", "path": str(path), **given}), Path())


def filled(path: Path, **given: object) -> SqliteVectors:
    backend = opened(path, **given)
    backend.create_collection("notes", 3, "cosine", space="abc", model="a model")
    row = np.array([3, 0, 4], dtype=np.float32)
    data = {"tags": ("a", "b"), "due": Moment(7, date_only=True), "odd": float("inf"), "cut": "\ud800\0"}
    backend.put_vectors("notes", Batch.of([Entry("k", row, data, {"path": "n.md", "content": "of numbats"}, "0" * 16)]))
    return backend


def test_another_program_reads_what_is_in_the_file(path: Path) -> None:
    filled(path).close()
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    ((name, key, vector, properties, payload, version, made, changed),) = db.execute("select * from rows")
    db.close()
    assert (name, key, version) == ("notes", "k", "0" * 16)
    assert np.frombuffer(vector, "<f4").tolist() == pytest.approx([0.6, 0, 0.8])
    assert json.loads(properties)["tags"] == ["a", "b"]
    assert json.loads(properties)["due"] == {"us": 7, "date_only": True}
    assert json.loads(payload) == {"path": "n.md"}
    assert made == changed > 1.7e9
    assert path.stat().st_mode & 0o077 == 0


def test_whoever_reads_the_file_while_it_is_written_takes_nothing_from_it(path: Path) -> None:
    filled(path).close()
    backend = opened(path)
    assert backend.get("notes", ["k"]).keys() == {"k"}, "it is read first, as after a start"
    read = f"import sqlite3; print(*sqlite3.connect({str(path)!r}).execute('select key from rows').fetchall())"
    for n in (1, 2, 3):
        backend.put_vectors("notes", Batch.of([Entry(f"k{n}", np.ones(3, dtype=np.float32), {}, {}, "0" * 16)]))
        run = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, timeout=60, check=True)
        assert run.stdout.count("k") == n + 1
    backend.close()


def test_text_is_kept_only_where_it_is_wanted(path: Path) -> None:
    backend = filled(path, remote_text=True)
    assert backend.get("notes", ["k"], metadata=True)["k"].payload == {"path": "n.md", "content": "of numbats"}
    backend.close()
    assert b"numbat" in path.read_bytes()
    path.unlink()
    filled(path).close()
    assert b"numbat" not in path.read_bytes()


def test_what_json_cannot_hold_comes_back(path: Path) -> None:
    (held,) = filled(path).get("notes", ["k"], metadata=True).values()
    assert held.metadata == {
        "tags": ("a", "b"), "due": Moment(7, date_only=True), "odd": float("inf"), "cut": "\ud800\0",
    }  # fmt: skip


def test_a_second_process_that_writes_is_refused_by_the_pid_of_the_first(path: Path) -> None:
    backend = filled(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path.with_name("theirs.db"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        theirs = opened(path.with_name("theirs.db"))
        assert theirs.list_collections() == ["notes"], "any number reads"
        with pytest.raises(BackendUnavailable, match=rf"\(pid {other.pid}\) writes .*theirs\.db") as caught:
            theirs.delete_vectors("notes", ["k"])
        assert "one process at a time" in caught.value.hint
        other.kill()
    theirs.delete_vectors("notes", ["k"])
    theirs.close()
    backend.close()


def test_two_stores_of_one_process_share_the_file(path: Path) -> None:
    one, two = filled(path), opened(path)
    two.create_collection("others", 2, "dot")
    one.close()
    two.put_vectors("others", Batch.of([Entry("x", np.ones(2, dtype=np.float32))]))
    assert two.list_collections() == ["notes", "others"]
    two.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_removed_under_us_takes_no_writes_that_nobody_reads(path: Path, *, replaced: bool) -> None:
    backend = filled(path)
    assert backend.collection_info("notes").count == 1
    for name in ("vectors.db", "vectors.db-wal", "vectors.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    if replaced:
        other = opened(path.with_name("new.db"))
        other.create_collection("elsewhere", 3, "cosine")
        other.close()
        path.with_name("new.db").rename(path)
    for call in (
        lambda: backend.delete_vectors("notes", ["k"]),
        lambda: backend.collection_info("notes"),
        lambda: backend.put_vectors("notes", Batch.of([Entry("k", np.ones(3, dtype=np.float32))])),
        lambda: backend.query("notes", np.ones(3, dtype=np.float32), 1),
    ):
        with pytest.raises(UnknownCollection):
            call()
    assert backend.create_collection("notes", 3, "cosine").count == 0
    backend.put_vectors("notes", Batch.of([Entry("k", np.ones(3, dtype=np.float32))]))
    backend.close()
    assert opened(path).collection_info("notes").count == 1


def test_who_still_reads_a_file_that_was_replaced_hands_it_to_nobody_else(path: Path) -> None:
    backend = filled(path)
    other = opened(path.with_name("new.db"))
    other.create_collection("elsewhere", 3, "cosine")
    other.close()
    slow = VectorFile(path)
    with slow.reading() as before:
        for name in ("vectors.db", "vectors.db-wal", "vectors.db-shm"):
            path.with_name(name).unlink(missing_ok=True)
        path.with_name("new.db").rename(path)
        with slow.reading() as now:
            assert list(now.execute("select name from collections")) == [("elsewhere",)]
        assert list(before.execute("select name from collections")) == [("notes",)], "one state of one file"
    for _ in range(3):
        with slow.reading() as again:
            assert list(again.execute("select name from collections")) == [("elsewhere",)]
    slow.close()
    backend.close()


def test_who_reads_that_the_file_is_gone_takes_nothing_from_who_writes(path: Path) -> None:
    file = VectorFile(path)
    with file.writing(make=True) as db:
        path.unlink()
        path.write_bytes(b"")
        with pytest.raises(UnknownCollection, match="nothing in it"), file.reading():
            pass
        db.execute("select 1")
    path.unlink()
    with file.writing(make=True) as db:
        assert list(db.execute("select count(*) from collections")) == [(0,)]
    file.close()


def test_a_file_that_is_closed_takes_no_lock_that_nobody_would_let_go_of(path: Path) -> None:
    backend = filled(path)
    backend.close()
    with pytest.raises(BackendUnavailable, match="is closed"):
        backend.create_collection("more", 3, "cosine")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        other.kill()


def test_a_file_of_something_else_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("create table mine (x)")
    db.close()
    before = path.read_bytes()
    backend = opened(path)
    with pytest.raises(BackendRefused, match="was not made by vragd") as caught:
        backend.list_collections()
    assert "choose another path" in caught.value.hint
    with pytest.raises(BackendRefused, match="was not made by vragd"):
        backend.create_collection("notes", 3, "cosine")
    assert path.read_bytes() == before
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(BackendRefused, match="not a database") as caught:
        opened(path).list_collections()
    assert "move it away" in caught.value.hint


def test_a_folder_is_no_file_of_vectors(path: Path) -> None:
    path.mkdir(parents=True)
    for call in (opened(path).list_collections, lambda: opened(path).create_collection("notes", 3, "cosine")):
        with pytest.raises(BackendRefused, match="is no ordinary file"):
            call()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_of_a_newer_version_is_left_as_it_is(path: Path) -> None:
    filled(path).close()
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(BackendRefused, match="has schema 99"):
        opened(path).query("notes", np.ones(3, dtype=np.float32), 1)


def test_nothing_is_made_by_reading_and_nothing_in_a_vault(path: Path) -> None:
    assert opened(path).list_collections() == []
    with pytest.raises(UnknownCollection, match="there is no file"):
        opened(path).collection_info("notes")
    assert not path.parent.exists()
    vault = path.parent / "vault"
    (vault / ".obsidian").mkdir(parents=True)
    with pytest.raises(BackendRefused, match="is inside the vault"):
        opened(vault / "sub" / "v.db").create_collection("notes", 3, "cosine")
    assert [child.name for child in vault.iterdir()] == [".obsidian"]


def test_questions_go_over_more_rows_than_one_block_and_ties_are_in_order(path: Path) -> None:
    backend = opened(path)
    backend.create_collection("notes", 8, "cosine")
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((5_000, 8)).astype(np.float32)
    rows[1_000:4_000] = rows[0]
    keys = [f"{i:05}" for i in rng.permutation(5_000)]
    data = [{"even": int(key) % 2 == 0} for key in keys]
    backend.put_vectors("notes", Batch(keys, rows, data, [{}] * 5_000, [""] * 5_000))
    equal = sorted([keys[0], *keys[1_000:4_000]])
    found = backend.query("notes", rows[0], 20)
    assert [match.key for match in found.items] == equal[:20]
    assert found.end == "more"
    even = [key for key in equal if int(key) % 2 == 0]
    assert [match.key for match in backend.query("notes", rows[0], 20, where=equals("even", True)).items] == even[:20]
    assert len(backend.query("notes", rows[0], 6_000).items) == 5_000


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:/a/b.db", "/a/b.db"), ("sqlite:///a/b%20c.db", "/a/b c.db"), ("sqlite://n.db", "HERE/n.db"),
     ("sqlite:~/n.db", "HOME/n.db"), ("sqlite:../n.db?remote_text=true", "HERE/../n.db")],
)  # fmt: skip
def test_a_path_stands_in_the_url(url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = SqliteBackend.from_url(url)
    wanted = path.replace("HERE", str(Path.cwd())).replace("HOME", str(tmp_path / "home"))
    assert (str(settings.path), settings.remote_text) == (wanted, "true" in url)


@pytest.mark.parametrize("url", ["sqlite:", "sqlite:?remote_text=true", "sqlite:/a?path=/b", "sqlite:/a?type=file"])
def test_a_url_without_a_path_or_with_two_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        SqliteBackend.from_url(url)


@pytest.mark.parametrize(
    "change",
    [
        "update vectors set vector = x'0102'", "update vectors set vector = x''",
        "update entries set properties = 'no'",
        "update entries set properties = '[]'", "update entries set payload = 'no'",
    ],
)  # fmt: skip
def test_an_entry_that_somebody_broke_is_read_as_another_and_told_to_who_asks(path: Path, change: str) -> None:
    filled(path).close()
    with sqlite3.connect(path) as db:
        db.execute(change)
    db.close()
    backend = opened(path)
    whole = backend.get("notes", ["k"], metadata=True)["k"]
    assert whole.values is not None and whole.values.shape == (3,)
    assert not whole.values.any() or not whole.metadata or not whole.payload
    with pytest.raises(BackendRefused, match="has an entry that is damaged") as caught:
        backend.query("notes", np.array([1, 0, 0], dtype=np.float32), 1, where=equals("tags", "a"), payload=True)
    assert caught.value.hint == "vragd verify names it, and with --repair mends it"
    backend.close()
