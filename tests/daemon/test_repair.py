"""Damage that is found while the daemon runs, and what of it mends by itself, by a scan or by `verify --repair`."""

from __future__ import annotations

from pathlib import Path

from tests.catalogs import beside
from tests.harness import Vragd, until, vragd
from vragd.errors import VragdError

N_NOTES = 150  # more than a folder's worth of hints


def write(daemon: Vragd, n: int = N_NOTES) -> None:
    for i in range(n):
        (daemon.vault / f"note{i}.md").write_text(f"Note number{i} about subject{i % 3}.\n")


def catalog_of(daemon: Vragd, store: str = "notes") -> Path:
    return daemon.data / "stores" / store / "catalog.db"


def change(catalog: Path, sql: str) -> None:
    with beside(catalog, write=True) as db:
        db.execute(sql)


def test_repair_mends_more_notes_of_a_folder_than_fit_as_hints(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        write(daemon)
        daemon.start()
        daemon.stop()
        change(catalog_of(daemon), "update note set digest = x'00', racy = 0")  # with stamps that say it is all well
        daemon.start()
        assert len(daemon.problems()) == N_NOTES
        (store,) = daemon.client.request("POST", "/v1/verify", {"repair": True}, timeout_s=120)["stores"]
        assert (store["problems"], store["n_mended"]) == ([], N_NOTES)


def test_a_catalog_damaged_while_the_daemon_runs_is_replaced_and_everything_indexed_anew(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        write(daemon)
        daemon.start()
        catalog = catalog_of(daemon)
        with beside(catalog, write=True) as db:
            db.execute("pragma wal_checkpoint(truncate)")
            ((page,),) = db.execute("pragma page_size")
            roots = db.execute("select rootpage from sqlite_master where name in ('chunk', 'note')").fetchall()
            with catalog.open("r+b") as raw:
                for (root,) in roots:
                    raw.seek((root - 1) * page)
                    raw.write(b"\xa5" * 200)
            db.execute("update store set generation = generation")  # and caches are no longer trusted
        (daemon.vault / "new.md").write_text("A new quokka.\n")
        until(lambda: list(catalog.parent.glob("catalog.db.corrupt-*")), "the damage to be found", 60)
        until(lambda: new_note_found(daemon), "the new note", 60)
        daemon.settle()
        assert daemon.store["notes"] == N_NOTES + 1
        assert daemon.problems() == []
        assert len(list(catalog.parent.glob("catalog.db.corrupt-*"))) == 1


def new_note_found(daemon: Vragd) -> bool:
    try:
        return daemon.paths("quokka") == ["new.md"]
    except VragdError:  # just being replaced
        return False


def test_a_store_that_cannot_be_opened_leaves_the_others_running_and_says_why(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        other = tmp_path / "Other"
        other.mkdir()
        (other / "other.md").write_text("Another quokka.\n")
        write(daemon, 3)
        stores = {"notes": {"sources": [{"path": str(daemon.vault)}]}, "other": {"sources": [{"path": str(other)}]}}
        daemon.configure(stores=stores)
        daemon.start()
        daemon.stop()
        change(catalog_of(daemon), "pragma user_version = 99")
        daemon.start(idle=False)
        until(lambda: daemon.paths("quokka") == ["other.md"], "the other store")
        status = daemon.status()
        assert [(failed["name"], failed["code"]) for failed in status["failed"]] == [("notes", "newer_format")]
        assert "store_failed" in status["degraded"]
        assert "cannot be opened" in daemon.run("status").stdout
        refused = daemon.run("query", "number1", "--store", "notes")
        assert (refused.returncode, "schema 99" in refused.stderr) == (4, True)


def test_a_vault_whose_exclusions_cannot_be_read_at_the_start_is_not_read_at_all(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        app_json = daemon.vault / ".obsidian/app.json"
        (daemon.vault / "Private").mkdir()
        app_json.parent.mkdir()
        app_json.write_bytes(b"")  # Obsidian was killed between emptying and writing it
        (daemon.vault / "Private/secret.md").write_text("secret\n")
        (daemon.vault / "open.md").write_text("open\n")
        daemon.start(idle=False)
        until(lambda: "rules_unknown" in daemon.status()["degraded"], "the hold to be said")
        (daemon.vault / "Private/saved.md").write_text("secret too\n")
        app_json.write_text('{"userIgnoreFilters": ["Private/"]}')
        until(lambda: daemon.paths("open") == ["open.md"], "the note that is not private", 60)
        daemon.settle()
        assert list(daemon.files("indexed")) == ["open.md"]
