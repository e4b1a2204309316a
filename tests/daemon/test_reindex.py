"""`vragd reindex`: with a daemon and without, by name, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until, vragd

pytestmark = pytest.mark.slow


def told(daemon: Vragd, *flags: str) -> dict[str, Any]:
    done = daemon.run("reindex", "notes", "--json", *flags)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_store_is_read_again_with_a_daemon_and_without(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        for name in ("heron", "numbat", "quokka"):
            (daemon.vault / f"{name}.md").write_text(f"# {name}\n\nA {name} was seen at the pond.\n")
        (daemon.vault / "mine.md").write_text("---\nvragd: false\n---\nNobody is to find this.\n")
        daemon.start()

        def titled() -> bool:  # by the work of idle times, and part of the score
            return bool(daemon.query("heron", explain=True)["hits"][0]["parts"]["title"] == 1.0)

        until(titled, "the title to have a vector")
        first = daemon.query("heron")["hits"][0]
        answer = told(daemon)
        assert (answer["notes"], answer["n_embedded"], answer["failed"], answer["degraded"]) == (3, 0, 0, [])
        assert daemon.query("heron")["hits"][0] == first
        assert told(daemon, "--embed")["n_embedded"] == 3
        assert (daemon.problems(), daemon.query("heron")["hits"][0]["id"]) == ([], first["id"])
        assert told(daemon)["n_embedded"] == 0
        unknown = daemon.run("reindex", "nots")
        assert (unknown.returncode, "no store 'nots'" in unknown.stderr, "notes" in unknown.stderr) == (2, True, True)
        daemon.stop()
        alone = daemon.run("reindex", "notes")
        assert (alone.returncode, alone.stdout) == (0, ""), alone.stderr
        assert alone.stderr.startswith("notes: 3 notes read again, 3 passages, 0 embedded, "), alone.stderr
        assert told(daemon, "--embed")["n_embedded"] == 3
        daemon.start()
        assert daemon.problems() == []
