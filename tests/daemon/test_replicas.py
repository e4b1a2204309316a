"""A daemon with a replica: killed while it is fed, and told what happened while none ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.backends import keys
from tests.harness import Vragd, copy_vault, until
from tests.world import beside
from vragd.backends.registry import create_backend
from vragd.backends.sqlite.settings import SqliteBackend
from vragd.system.failpoints import EXIT_STATUS


class Fragile(Vragd):
    """A daemon that ends at a failpoint, if there is one."""

    failpoint = ""

    @property
    def env(self) -> dict[str, str]:
        return super().env | ({"VRAGD_FAILPOINT": self.failpoint} if self.failpoint else {})

    @property
    def replica(self) -> dict[str, Any]:
        (found,) = self.store["replicas"]
        return dict(found)


def held(file: Path) -> set[str]:
    backend = create_backend("sqlite", SqliteBackend(type="sqlite", path=str(file)), file.parent)
    try:
        return set(keys(backend, "notes"))
    finally:
        backend.close()


def live(daemon: Vragd) -> set[str]:
    with beside(daemon.data / "stores/notes/catalog.db") as db:
        return {key for (key,) in db.execute("select key from chunk where embedded")}


def test_a_daemon_that_is_killed_while_it_feeds_goes_on_where_it_was(tmp_path: Path) -> None:
    copy_vault("kepano", tmp_path / "Vault")
    file = tmp_path / "beside" / "notes.db"
    file.parent.mkdir()
    daemon = Fragile(tmp_path)
    source = {"sources": [{"path": str(daemon.vault)}]}
    daemon.configure(stores={"notes": {**source, "replicas": {"second": {"type": "sqlite", "path": str(file)}}}})
    try:
        for failpoint in ("feed.put:1", "feed.remembered:1"):
            daemon.failpoint = failpoint
            daemon.start(ready=False, idle=False)
            until(lambda: daemon.process and daemon.process.poll() == EXIT_STATUS, f"the end at {failpoint}", 60)
        daemon.failpoint = ""
        daemon.start()
        until(lambda: daemon.replica["n_behind"] == 0, "the replica to have all")
        shown = daemon.run("status").stdout
        assert "replica second (sqlite, " in shown
        assert "up to date" in shown
        daemon.stop()
        assert held(file) == live(daemon)

        next(daemon.vault.rglob("*.md")).unlink()  # while none runs
        (daemon.vault / "new.md").write_text("A note of the quokka.\n")
        daemon.start()
        until(lambda: daemon.replica["n_behind"] == 0 and daemon.store["pending"] == 0, "the replica to have all")
        daemon.stop()
        assert held(file) == live(daemon)
    finally:
        daemon.finish()
