"""
Two daemons with the same labels, paths and texts on one collection of a real PostgreSQL, each killed again and again.

`VRAGD_KILLS=100` kills each so often; docs/reliability.md says what came of that.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.catalogs import beside
from tests.harness import Vragd, until, vragd
from tests.s3 import live_keys
from tests.servers.postgres.server import RealPostgres
from tests.servers.test_postgres_daemon import Place
from vragd.sync.vectors import source_of

KILLS = int(os.environ.get("VRAGD_KILLS", "2"))
N_NOTES = 10
LAGS = 12
"""Edits of a day."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 20 * KILLS)]


class Two:
    """Two homes, each with its own vault of the name `Vault`, and what each has in the one table."""

    def __init__(self, place: Place, first: Vragd, second: Vragd) -> None:
        self.place, self.both = place, (first, second)
        self.random = random.Random(1)
        self.counts: Counter[str] = Counter()
        for daemon in self.both:
            place.configure(daemon)

    def edit(self, number: int, *daemons: Vragd) -> None:
        """The same change in each vault: notes written anew, and now and then some less, or more."""
        for daemon in daemons:
            for offset in (0, 3, 5):
                note = daemon.vault / f"n{(number + offset) % N_NOTES}.md"
                if offset and number % 7 == 6:
                    note.unlink(missing_ok=True)
                    continue
                parts = (f"# Part {i}\n\nWords {number} of part {i} of {note.name}.\n" for i in range(4))
                note.write_text("\n".join(parts))

    def rows(self) -> dict[str, dict[str, tuple[Any, ...]]]:
        """Whatever is in the table, by source and key; also when each row was written last."""
        found: dict[str, dict[str, tuple[Any, ...]]] = {}
        told = self.place.server.execute(f"SELECT key, version, vec::text, payload, updated_at FROM {self.place.table}")
        for key, *rest in told:
            found.setdefault(source_of(key), {})[key] = tuple(rest)
        return found

    def of(self, daemon: Vragd) -> str:
        with beside(daemon.data / "stores/notes/catalog.db") as db:
            ((uid,),) = db.execute("select uid from source")
            return str(uid)

    def run_and_kill(self, *daemons: Vragd) -> None:
        """Start these, and end them; the last of them has something to write."""
        for daemon in daemons:
            daemon.start(ready=False, idle=False)
        if self.random.random() < 0.8:
            self.wait_for_work(daemons[-1])
        time.sleep(self.random.uniform(0, 0.06))  # the moment of a kill is nobody's choice
        for daemon in daemons:
            daemon.kill()
            self.counts["kills"] += 1
            self.counts["kills in the middle of a write"] += bool(self.intents(daemon))

    def intents(self, daemon: Vragd) -> int:
        """How many keys are on their way to the table, or out of it."""
        with beside(daemon.data / "stores/notes/catalog.db") as db:
            ((n,),) = db.execute("select count(*) from intent")
            return int(n)

    def wait_for_work(self, daemon: Vragd) -> None:
        """Until the daemon writes, or has written what there was."""
        done = daemon.log().count("sync.round_applied")
        had = self.intents(daemon)
        until(
            lambda: self.intents(daemon) != had or daemon.log().count("sync.round_applied") > done,
            "the daemon to write", 60,
        )  # fmt: skip

    def check(self) -> None:
        """Every note of both is found, the table holds what both have and nothing else."""
        first, second = (live_keys(daemon) for daemon in self.both)
        assert not first & second
        assert self.place.held() == first | second
        for daemon in self.both:
            assert daemon.problems() == []
            there = {note.name: note.read_text() for note in daemon.vault.glob("*.md")}
            assert {path for path, _ in daemon.shown()} == there.keys()
            for name, text in there.items():
                assert name in daemon.paths(text[:200], mode="vector", top_k=N_NOTES), "every note is found"


@pytest.fixture
def two(tmp_path: Path, server: RealPostgres) -> Iterator[Two]:
    server.execute("DROP SCHEMA IF EXISTS vragd CASCADE")
    with ExitStack() as stack:
        homes = [tmp_path / name for name in ("first", "second")]
        for home in homes:
            home.mkdir()
        two = Two(Place(server), *(stack.enter_context(vragd(home)) for home in homes))
        for number in range(N_NOTES):
            two.edit(number, *two.both)
        for daemon in two.both:
            daemon.start()
        two.check()
        for daemon in two.both:
            daemon.kill()
        yield two
        print(dict(two.counts))


def test_two_vaults_that_are_alike_touch_nothing_of_each_other(two: Two) -> None:
    first, second = two.both
    number = N_NOTES
    while two.counts["kills"] < 2 * KILLS:
        for some in ((first,), (second,), (first, second)):
            number += 1
            two.edit(number, first, second)
            before = two.rows()
            two.run_and_kill(*some)
            after = two.rows()
            for other in set(two.both) - set(some):
                uid = two.of(other)
                assert after[uid] == before[uid], "what is of the other is as it was, to the row"
                two.counts["looked at the other's rows"] += 1
    for daemon in two.both:
        daemon.start()
    two.check()


def test_one_vault_of_which_one_side_lags_a_day_loses_nothing_on_either(two: Two) -> None:
    first, second = two.both
    a_day_ago = time.time() - 86_400
    for note in second.vault.glob("*.md"):
        os.utime(note, (a_day_ago, a_day_ago))
    number = N_NOTES
    while two.counts["kills"] < 2 * KILLS:
        number += 1
        two.edit(number, first)
        two.edit(max(0, number - LAGS), second)  # the sync tool brings what was written a day before
        two.run_and_kill(second, first)
    for daemon in two.both:
        daemon.start()
    two.check()
    stale = {note.name: note.read_text() for note in second.vault.glob("*.md")}
    assert stale != {note.name: note.read_text() for note in first.vault.glob("*.md")}, "one side is of yesterday"

    shutil.rmtree(second.vault)
    shutil.copytree(first.vault, second.vault)  # and then all of it at once
    second.settle()
    if any(source["n_deletes_held"] for source in second.store["sources"]):
        assert second.run("sync", "--confirm-deletes").returncode == 0
        second.settle()
    two.check()
    assert first.shown() == second.shown()
