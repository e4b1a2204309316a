"""Commands with and without a daemon: init, index, store, verify --repair."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.catalogs import beside
from tests.harness import Vragd, copy_vault, unmeasured, until, vragd
from tests.warm import warm
from vragd.cli.commands import MODULES
from vragd.cli.main import parser


@pytest.fixture
def daemon(tmp_path: Path) -> Vragd:
    return Vragd(tmp_path)


def test_init_writes_a_private_configuration_that_works_and_never_replaces_one(daemon: Vragd) -> None:
    daemon.config_file.unlink()
    done = daemon.run("init", str(daemon.vault))
    assert done.returncode == 0, done.stderr
    assert daemon.config_file.stat().st_mode & 0o777 == 0o600
    assert daemon.run("config", "check").returncode == 0
    before = daemon.config_file.read_text()
    again = daemon.run("init", str(daemon.vault))
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert daemon.config_file.read_text() == before


def test_init_without_a_vault_offers_those_obsidian_lists(daemon: Vragd) -> None:
    daemon.config_file.unlink()
    assert "Obsidian lists no vault" in daemon.run("init").stderr
    listed = daemon.home / ".config/obsidian/obsidian.json"
    listed.parent.mkdir(parents=True)
    gone = daemon.home / "gone"
    vaults = {"a": {"path": str(daemon.vault), "ts": 5}, "b": {"path": str(gone), "ts": 9}, "c": "odd"}
    listed.write_text(json.dumps({"vaults": vaults}))
    offered = daemon.run("init")
    assert offered.returncode == 2
    assert f'vragd init "{daemon.vault}"' in offered.stderr
    assert str(gone) not in offered.stderr


@pytest.mark.parametrize("running", [False, True], ids=["without a daemon", "with a daemon"])
def test_index_makes_a_store_and_indexes_what_matches_once(tmp_path: Path, running: bool) -> None:
    with vragd(tmp_path) as daemon:
        elsewhere = tmp_path / "docs"
        (elsewhere / "deep").mkdir(parents=True)
        for name in ("a.md", "deep/b.md", "c.org"):
            (elsewhere / name).write_text(f"text of {name}, numbat\n")
        if running:
            daemon.start()

        def index(*patterns: str) -> str:
            run = daemon.run("index", *patterns, "-s", "docs", cwd=elsewhere)
            assert run.returncode == 0, run.stderr
            return run.stderr

        assert "docs: 2 notes, 2 chunks, 2 texts embedded" in index("**/*.md")
        assert "docs: 3 notes" in index("c.org")
        (elsewhere / "a.md").unlink()
        assert "docs: 2 notes" in index("**/*.md")
        if not running:
            recent = daemon.run("recent", "--json")
            assert recent.returncode == 0, recent.stderr
            assert json.loads(recent.stdout)["degraded"][0] == "no_daemon"
            daemon.start()
        assert sorted(daemon.paths("numbat", stores=["docs"])) == ["c.org", "deep/b.md"]
        (elsewhere / "later.md").write_text("not asked for, wombat\n")
        (daemon.vault / "watched.md").write_text("watched, wombat\n")
        until(lambda: daemon.paths("wombat", mode="keyword") == ["watched.md"], "the note that is watched, alone")


def test_a_deleted_store_leaves_no_byte_of_its_notes(daemon: Vragd) -> None:
    canary = b"kiwicanary"
    (daemon.vault / "kiwicanary.md").write_bytes(b"text with kiwicanary\n" * 50)
    assert daemon.run("index", str(daemon.vault), "-s", "docs").returncode == 0

    def leftovers() -> list[Path]:
        return [p for p in daemon.data.rglob("*") if p.is_file() and canary in p.read_bytes()]

    assert leftovers()
    assert daemon.run("store", "delete", "docs", "--yes").returncode == 0
    assert leftovers() == []
    assert not (daemon.data / "stores/docs").exists()
    assert (daemon.vault / "kiwicanary.md").exists()


def test_a_store_made_by_command_is_watched_at_once_and_after_a_restart(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.start()
        folder = tmp_path / "more"
        folder.mkdir()
        (folder / "a.md").write_text("numbat\n")
        assert daemon.run("store", "create", "more", "--source", str(folder)).returncode == 0
        until(lambda: daemon.paths("numbat", stores=["more"]) == ["a.md"], "the first note")
        daemon.stop()
        daemon.start()
        (folder / "b.md").write_text("wombat\n")
        until(lambda: daemon.paths("wombat", stores=["more"], mode="keyword") == ["b.md"], "the second")
        names = [row["name"] for row in json.loads(daemon.run("store", "list", "--json").stdout)["stores"]]
        assert names == ["more", "notes"]


def test_one_damaged_store_does_not_stop_the_others(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        assert daemon.run("store", "create", "odd").returncode == 0
        (daemon.data / "stores/odd/store.json").write_text("{ torn")
        (daemon.vault / "a.md").write_text("numbat\n")
        daemon.start()
        assert daemon.paths("numbat") == ["a.md"]
        told = "stores/odd/store.json cannot be read: it is no store's settings"
        refused = daemon.run("query", "numbat", "-s", "odd")
        assert (refused.returncode, told in refused.stderr, "put the file back" in refused.stderr) == (2, True, True)
        daemon.stop()
        alone = daemon.run("store", "list")
        assert (alone.returncode, told in alone.stdout, alone.stderr) == (0, True, ""), "no line of a log"
        purged = daemon.run("purge", "--dry-run")
        assert (purged.returncode, told in purged.stderr, "event" in purged.stderr) == (0, True, False)
        daemon.start()
        assert daemon.run("store", "delete", "odd", "--yes").returncode == 0


def damage(daemon: Vragd, *statements: str) -> None:
    with beside(daemon.data / "stores/notes/catalog.db", write=True) as db:
        for statement in statements:
            db.execute(statement)


GHOST = (
    "insert into note(source_id, path, inode, size, mtime_ns, ctime_ns, racy, digest, title, space_id, state, attempts,"
    " seq, changed_at) select source_id, cast('ghost.md' as blob), 1, 1, 1, 1, 0, digest, 'ghost', space_id, 'indexed',"
    " 0, 1, 0 from note limit 1"
)
STALE = "update note set digest = x'00' where title = 'Buy wisely'"
WORDLESS = "delete from chunk_text where rowid in (select id from chunk order by id limit 3)"
UNEMBEDDED = "delete from embedding where id in (select id from embedding order by id limit 2)"


def test_verify_names_what_differs_and_repair_mends_it(tmp_path: Path) -> None:
    copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        warm(daemon)
        daemon.start()
        daemon.stop()
        assert daemon.run("verify").returncode == 0
        damage(daemon, GHOST, STALE, WORDLESS, UNEMBEDDED)
        found = daemon.run("verify", "--json")
        assert found.returncode == 1
        kinds = {problem["kind"] for store in json.loads(found.stdout)["stores"] for problem in store["problems"]}
        assert {"ghost", "stale", "catalog", "missing_embedding"} <= kinds
        mended = daemon.run("verify", "--repair")
        assert mended.returncode == 0, mended.stdout
        assert "0 problems" in mended.stdout
        daemon.start()
        assert daemon.problems() == []
        assert daemon.store["states"] == {"indexed": 103}


def test_a_lost_or_damaged_cache_comes_back_without_embedding(tmp_path: Path) -> None:
    copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        warm(daemon)
        daemon.start()
        for mischief in ("remove", "flip", "cut"):
            daemon.stop()
            (cache,) = (daemon.data / "stores/notes/index").rglob("vectors.faiss")
            data = bytearray(cache.read_bytes())
            data[len(data) // 2] ^= 0xFF
            if mischief == "remove":
                cache.unlink()
            else:
                cache.write_bytes(data if mischief == "flip" else data[: len(data) // 3])
            daemon.start()
            assert daemon.store["n_embedded"] == 0
            assert daemon.problems() == []
            assert daemon.paths("cost per use of socks")[0] == "Clippings/Buy wisely.md"


def test_a_command_alone_is_understood_as_among_all() -> None:
    def choices(only: str) -> dict[str, argparse.ArgumentParser]:
        return parser(only)._subparsers._group_actions[0].choices  # type: ignore[union-attr, return-value]

    assert list(choices("")) == list(MODULES)
    for name in MODULES:
        assert choices(name)[name].format_help() == choices("")[name].format_help()


def test_a_query_imports_nothing_heavy() -> None:
    code = (
        "import sys; from vragd.cli.main import main; main(['query', 'x', '--socket', '/nonexistent']);"
        " heavy = {'pydantic', 'numpy', 'yaml', 'apsw', 'structlog', 'faiss', 'boto3', 'asyncio', 'ssl', 'email',"
        " 'http', 'h11', 'dataclasses', 'tempfile', 'subprocess', 'vragd.cli.demo'} & set(sys.modules);"
        " sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=unmeasured(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
