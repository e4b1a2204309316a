"""
Random words, put wherever something private may stand, and then looked for in every log and in every byte that is kept.

After a note is deleted its words may stand in the catalog, and in SQLite's log beside it, until the housekeeping that
comes once a day. Vectors and hashes of its texts stay for `keep_embeddings_days`, a damaged catalog until somebody
deletes it or the store.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.ollama import Answer, FakeOllama
from tests.fakes.s3vectors import FakeS3Vectors
from tests.harness import Vragd, until, vragd
from tests.s3 import on_s3
from tests.world import World
from vragd.errors import VragdError
from vragd.store.store import WORDS_SWEPT_WITHIN_S, Store

KINDS = ("text", "title", "heading", "tag", "alias", "folder", "vault", "refused", "query", "wrong", "config", "link")


class Canaries:
    """A word of its own for each kind of thing; no two begin alike, so that no compression hides one."""

    def __init__(self) -> None:
        self._words = {kind: f"{i:x}{secrets.token_hex(8)}q7" for i, kind in enumerate(KINDS)}

    def __getitem__(self, kind: str) -> str:
        return self._words[kind]

    def found_in(self, raw: bytes) -> list[str]:
        """The kinds whose word, but for its first letters, which an index may keep elsewhere, is in `raw`."""
        spellings = {kind: (word[3:], word[3:].upper()) for kind, word in self._words.items()}
        encoded = {
            kind: [s.encode(how) for s in both for how in ("utf-8", "utf-16-le")] for kind, both in spellings.items()
        }
        return [kind for kind, forms in encoded.items() if any(form in raw for form in forms)]

    def kept_in(self, folder: Path) -> dict[str, list[str]]:
        """Which kinds are in which file below `folder`, names of files included."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_socket()]
        rows = {str(path.relative_to(folder)): self.found_in(bytes(path) + b"\0" + path.read_bytes()) for path in files}
        return {path: kinds for path, kinds in rows.items() if kinds}

    def note(self, extra: str = "") -> str:
        return (
            f"---\ntags: [{self['tag']}]\naliases: [{self['alias']}]\n---\n# {self['heading']}\n\n"
            f"{self['text']} and #{self['tag']} and [[{self['link']}]]\n{extra}"
        )


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def loose(*folders: Path) -> list[tuple[Path, str]]:
    """What others could open or enter below and at `folders`."""
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    found = []
    for path in paths:
        with suppress(FileNotFoundError):
            if (mode := path.lstat().st_mode) & 0o077:
                found.append((path, oct(mode)))
    return found


class Echo(FakeOllama):
    """An embedder whose errors quote what it was asked, as some do."""

    angry = False

    def _embed(self, model: str, body: Mapping[str, Any]) -> Answer:
        given = body.get("input", [])
        if self.angry or (self.poison and self.poison in str(given)):
            return 400 if not self.angry else 500, {"error": f"cannot embed {given!r}"}
        return super()._embed(model, body)


def configure(daemon: Vragd, log: Path, url: str) -> None:
    embedder = {"type": "ollama", "model": "fake-embed", "url": url}
    store = {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}
    daemon.configure(stores={"notes": store}, log={"file": str(log), "max_mib": 1})


def every_way_of_asking(daemon: Vragd, canaries: Canaries) -> None:
    """Right and wrong requests with something private in each of their parts."""
    query, wrong = canaries["query"], canaries["wrong"]
    for mode in ("hybrid", "vector", "keyword"):
        daemon.query(query, mode=mode, folder=canaries["folder"])
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/v1/query", {"text": query, "top_k": 0}),
        ("POST", "/v1/query", {"text": query, wrong: 1}),
        ("POST", "/v1/query", {"text": query, "stores": [wrong]}),
        ("POST", "/v1/query", {"text": query, "sources": [wrong]}),
        ("POST", "/v1/query", {"text": query, "mode": wrong}),
        ("POST", "/v1/sync", {"path": f"/{wrong}/x.md"}),
        ("POST", "/v1/sync", {"path": f"/{wrong}\0"}),
        ("POST", "/v1/index", {"store": "other", "path": f"/{wrong}", "include": [wrong]}),
        ("POST", "/v1/index", {"store": wrong, "path": wrong, "include": ["!"]}),
        ("POST", "/v1/stores", {"name": "other", "sources": [{"path": f"/{wrong}"}, {"path": f"/x/{wrong}"}]}),
        ("POST", "/v1/links", {"note": wrong}),
        ("POST", "/v1/links", {"sources": [wrong]}),
        ("POST", "/v1/outline", {"note": wrong}),
        ("POST", "/v1/names", {"kind": wrong}),
        ("POST", "/v1/tags", {"sources": [wrong]}),
        ("POST", "/v1/tasks", {"where": f'file:"{wrong}'}),
        ("POST", "/v1/properties", {"stores": [wrong]}),
        ("POST", "/v1/get", {"note": wrong}),
        ("POST", "/v1/similar", {"note": wrong}),
        ("GET", f"/{wrong}", None),
        ("GET", f"/v1/files?{wrong}=1", None),
        ("GET", f"/v1/map?store={wrong}", None),
        ("GET", f"/v1/files?state={wrong}", None),
        ("DELETE", f"/v1/stores/{wrong}", None),
        (wrong.upper(), "/healthz", None),
    ]
    for method, target, body in requests:
        with pytest.raises(VragdError):
            daemon.client.request(method, target, body)
    for raw in (f"GET /{wrong} {wrong}\r\n\r\n", f"GET / HTTP/1.1\r\n{wrong}\r\n\r\n", f"POST /v1/query {wrong}"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(daemon.socket))
            connection.sendall(raw.encode())
            connection.shutdown(socket.SHUT_WR)
            assert b"400" in connection.recv(1000)


def reload(daemon: Vragd, log: Path, canaries: Canaries) -> None:
    """Load the configuration again: twice one that cannot be used, and then the good one."""
    assert daemon.process is not None
    good = daemon.config_file.read_text()
    for bad in (f"stores: {{}}\n{canaries['config']}: 1\n", yaml.safe_dump({"log": {"file": canaries["config"]}})):
        n_refused = logged(log, daemon).count("daemon.reload_refused")
        daemon.config_file.write_text(bad)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda n=n_refused: logged(log, daemon).count("daemon.reload_refused") > n, "the refusal")
    daemon.config_file.write_text(good)
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "daemon.config_reloaded" in logged(log, daemon), "the reload")


def test_nothing_private_reaches_a_log_and_nothing_is_open_to_others(
    tmp_path: Path, canaries: Canaries, open_umask: None
) -> None:
    """While indexing, with an embedder that quotes, at wrong requests, reload, crash and damage; the log rotates."""
    log = tmp_path / "logs" / "vragd.log"
    with Echo(poison=canaries["refused"]) as ollama, vragd(tmp_path) as daemon:
        daemon.vault = tmp_path / canaries["vault"]
        folder = daemon.vault / canaries["folder"]
        folder.mkdir(parents=True)
        (folder / f"{canaries['title']}.md").write_text(canaries.note())
        (folder / f"{canaries['title']} refused.md").write_text(canaries["refused"])
        (folder / f"{canaries['title']} binary.md").write_bytes(b"\0" * 100 + canaries["text"].encode())
        (folder / f"{canaries['title']} gone.md").symlink_to(f"/nowhere/{canaries['link']}")
        configure(daemon, log, ollama.url)
        log.parent.mkdir(mode=0o700)
        log.write_text('{"event": "earlier.line_logged"}\n' * 31_700)  # a few lines short of a mebibyte
        private = (daemon.data, daemon.socket.parent, log.parent)

        daemon.start()
        assert daemon.files("failed")
        every_way_of_asking(daemon, canaries)
        ollama.angry = True
        (folder / f"{canaries['title']}.md").write_text(canaries.note("more\n"))
        until(lambda: "embedder_unavailable" in daemon.status()["degraded"], f"the outage: {daemon.status()}")
        daemon.query(f"{canaries['query']} again")  # none that it has the vector of
        ollama.angry = False
        for target in ("/v1/status", "/v1/files", "/v1/stores", "/v1/stores/notes"):
            daemon.client.request("GET", target)
        daemon.client.request("POST", "/v1/verify", {"repair": True}, timeout_s=60)
        assert loose(*private) == []

        reload(daemon, log, canaries)
        daemon.kill()
        daemon.start()
        assert loose(*private) == []
        daemon.stop()
        catalog = daemon.data / "stores/notes/catalog.db"
        catalog.write_bytes(b"no database " + canaries.note().encode() * 50)
        daemon.start()
        every_way_of_asking(daemon, canaries)
        damaged = list(catalog.parent.glob("catalog.db.corrupt-*"))
        assert damaged
        assert loose(*private) == []
        assert daemon.stop() == 0
        assert loose(daemon.data, log.parent) == []

    assert sorted(path.name for path in log.parent.iterdir()) == ["vragd.log", "vragd.log.1"]
    events = logged(log, daemon)
    assert [event for event in EXPECTED if event not in events] == []
    found = {path.name: canaries.found_in(path.read_bytes()) for path in (*log.parent.iterdir(), daemon.log_file)}
    assert found == {"vragd.log": [], "vragd.log.1": [], "log": []}
    assert "Traceback" not in events
    assert canaries.found_in(damaged[0].read_bytes()), "the search finds what is there"


EXPECTED = (
    "sync.chunks_refused", "worker.work_paused", "search.vectors_unavailable", "daemon.reload_refused",
    "catalog.file_replaced", "sync.notes_applied", "daemon.service_stopped",
)  # fmt: skip


def logged(log: Path, daemon: Vragd) -> str:
    """Every line so far, wherever it went."""
    return "".join(path.read_text() for path in log.parent.iterdir()) + daemon.log()


def test_what_a_remote_backend_quotes_is_not_logged(tmp_path: Path, canaries: Canaries, s3: FakeS3Vectors) -> None:
    sent: list[Any] = []

    def quoting(vectors: Any, poison: str) -> bool:
        sent.extend(vector["metadata"] for vector in vectors)
        raise Refused(f"Invalid record {sent[0]}")  # also when the client has left out what may be at fault

    from tests.fakes.s3vectors_rules import Refused

    s3.refuses = quoting
    with vragd(tmp_path) as daemon:
        (daemon.vault / canaries["folder"]).mkdir()
        (daemon.vault / canaries["folder"] / f"{canaries['title']}.md").write_text(canaries.note())
        on_s3(daemon, s3, remote_text=True)
        s3.poison = "anything"
        daemon.start(idle=False)
        until(lambda: daemon.store["trouble"] or daemon.files("failed"), f"the refusal: {daemon.status()}", 60)
        daemon.query(canaries["query"])
        daemon.client.request("POST", "/v1/verify", {"repair": True}, timeout_s=60)
        daemon.stop()
        assert canaries.found_in(str(sent[0]).encode()), "the service quotes what is private"
        assert canaries.found_in(daemon.log_file.read_bytes()) == []
        assert [line for line in daemon.log_lines() if line["level"] in ("warning", "error")]


def test_of_a_deleted_store_no_byte_is_left(tmp_path: Path, canaries: Canaries) -> None:
    with vragd(tmp_path, stores={}) as daemon:
        vault = tmp_path / canaries["vault"]
        (vault / canaries["folder"]).mkdir(parents=True)
        (vault / canaries["folder"] / f"{canaries['title']}.md").write_text(canaries.note())
        daemon.start(idle=False)
        for restart in (False, True):
            assert daemon.run("store", "create", "private", "--source", str(vault)).returncode == 0
            until(lambda: daemon.paths(canaries["text"], mode="keyword"), "the note")
            if restart:
                daemon.stop()
                daemon.start(idle=False)
            kept = {kind for kinds in canaries.kept_in(daemon.data).values() for kind in kinds}
            assert {"text", "title", "heading", "tag", "folder", "vault"} <= kept, "the search finds what is there"
            assert daemon.run("store", "delete", "private", "--yes").returncode == 0
            assert canaries.kept_in(daemon.data) == {}
        daemon.kill()
        assert canaries.kept_in(daemon.data) == {}


def tend(store: Store) -> None:
    """The daemon's housekeeping."""
    for found in store.find_unused():
        store.forget_unused(*found)
    store.sweep_words(WORDS_SWEPT_WITHIN_S)


def test_of_a_deleted_note_no_word_is_left_after_housekeeping_and_a_stop(tmp_path: Path, canaries: Canaries) -> None:
    """Beside notes that stay, so that the index of words has more than one part."""
    world = World(tmp_path)
    for i in range(60):
        world.write(f"{i}.md", f"Note {i}. " + " ".join(secrets.token_hex(4) for _ in range(40)))
    world.apply(*world.scan())
    secret = f"{canaries['folder']}/{canaries['title']}.md"
    world.write(secret, canaries.note())
    world.apply(secret)
    kept = {kind for kinds in canaries.kept_in(world.folder).values() for kind in kinds}
    assert {"text", "title", "heading", "tag", "folder"} <= kept, "the search finds what is there"
    for i in range(60, 70):
        world.write(f"{i}.md", f"Later note {i}.\n")
        world.apply(f"{i}.md")
    (world.vault / secret).unlink()
    world.apply(secret)
    assert world.is_sound()
    tend(world.store)
    assert canaries.kept_in(world.folder) == {}, "while the daemon goes on"
    world.store.close()
    assert canaries.kept_in(world.folder) == {}


def test_of_words_taken_out_of_a_note_none_is_left_after_housekeeping_and_a_stop(
    tmp_path: Path, canaries: Canaries
) -> None:
    world = World(tmp_path)
    world.write("a.md", canaries.note())
    world.apply("a.md")
    assert canaries.kept_in(world.folder)
    world.write("a.md", "Nothing private any more.\n")
    world.apply("a.md")
    tend(world.store)
    world.store.close()
    assert canaries.kept_in(world.folder) == {}
