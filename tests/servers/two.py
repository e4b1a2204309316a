"""
Two daemons with the same labels, paths and texts in one collection of a real server, each killed again and again; told
once for every kind of server, whose module imports these tests and has a `place`.

`VRAGD_KILLS=100` kills each so often; docs/reliability.md says how that is begun, and what came of it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.catalogs import beside
from tests.harness import Vragd, until, vragd
from tests.s3 import live_keys
from tests.servers import story
from tests.servers.fetched import FOLDER
from vragd.sync.vectors import source_of

KILLS = int(os.environ.get("VRAGD_KILLS", "2"))
N_NOTES = 10
LAGS = 12
"""Edits of a day."""
SAME = 1_600_000_000
"""When what both have was written; a day later and two, what one of them has."""
DAY = 86_400
LOOKS = """
import sys
from vragd.cli.main import main
from vragd.daemon import duties
duties.CHECKPOINT_S = 1.0
sys.exit(main(["run"]))
"""
"""`vragd run`, which looks at once who else feeds its place, not five minutes after its start."""


class Place(story.Place, Protocol):
    """A server that two daemons share."""

    def rows(self) -> dict[str, object]:
        """
        Whatever is there of each key, and what changes whenever it is written again, if only as it was.

        Of no daemon that runs: it waits until what those that were killed have sent is done.
        """


class Two:
    """Two homes, each with its own vault of the name `Vault`, and what each has in the one place."""

    def __init__(self, place: Place, first: Vragd, second: Vragd, **backend: Any) -> None:
        self.place, self.both = place, (first, second)
        self.random = random.Random(1)
        self.counts: Counter[str] = Counter()
        for daemon in self.both:
            place.configure(daemon, **backend)

    def start(self, start: Callable[[Vragd], object] = lambda daemon: daemon.start(ready=False, idle=False)) -> None:
        """Both at once: what neither finds in the place both want to make."""
        for daemon in self.both:
            start(daemon)
        for daemon in self.both:
            until(daemon.answers, "the daemon to answer")
            daemon.settle()

    def kill(self) -> None:
        for daemon in self.both:
            daemon.kill()

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

    def rows(self) -> dict[str, dict[str, object]]:
        """The rows of the place, by source and key."""
        found: dict[str, dict[str, object]] = {}
        for key, row in self.place.rows().items():
            found.setdefault(source_of(key), {})[key] = row
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

    def fill(self) -> None:
        """
        Have whoever has nothing in the place finish: nothing of him could be lost. So it comes to be where a machine is
        slow: notes that are gone are committed first, and no life is long enough for those that were written anew.
        """
        there = self.rows()
        for daemon in self.both:
            if self.of(daemon) not in there:
                daemon.start()
                daemon.kill()
                self.counts["filled again"] += 1

    def intents(self, daemon: Vragd) -> int:
        """How many keys are on their way to the place, or out of it."""
        with beside(daemon.data / "stores/notes/catalog.db") as db:
            ((n,),) = db.execute("select count(*) from intent")
            return int(n)

    def wait_for_work(self, daemon: Vragd) -> None:
        """Until the daemon writes, or has written what there was."""
        done = daemon.log().count("sync.notes_applied")
        had = self.intents(daemon)
        until(
            lambda: self.intents(daemon) != had or daemon.log().count("sync.notes_applied") > done,
            "the daemon to write", 60,
        )  # fmt: skip

    def check(self) -> None:
        """Every note of both is found, the place holds what both have and nothing else."""
        first, second = (live_keys(daemon) for daemon in self.both)
        assert not first & second
        assert self.place.held() == first | second
        for daemon in self.both:
            assert daemon.problems() == []
            there = {note.name: note.read_text() for note in daemon.vault.glob("*.md")}
            assert {path for path, _ in daemon.shown()} == there.keys()
            for name, text in there.items():
                assert name in daemon.paths(text[:200], mode="vector", top_k=N_NOTES), "every note is found"


@contextmanager
def made(folder: Path, place: Place, **backend: Any) -> Iterator[Two]:
    """Two with empty vaults. `backend`: settings of it besides."""
    with ExitStack() as stack:
        homes = [folder / name for name in ("first", "second")]
        for home in homes:
            home.mkdir()
        yield Two(place, *(stack.enter_context(vragd(home)) for home in homes), **backend)


@pytest.fixture
def two(tmp_path: Path, place: Place) -> Iterator[Two]:
    """Two that have been filled, checked and killed."""
    with made(tmp_path, place) as two:
        for number in range(N_NOTES):
            two.edit(number, *two.both)
        two.start()
        two.check()
        two.kill()
        yield two
        print(dict(two.counts))


def test_two_vaults_that_are_alike_touch_nothing_of_each_other(two: Two) -> None:
    first, second = two.both
    number = N_NOTES
    while two.counts["kills"] < 2 * KILLS:
        for some in ((first,), (second,), (first, second)):
            two.fill()
            number += 1
            two.edit(number, first, second)
            before = two.rows()
            two.run_and_kill(*some)
            after = two.rows()
            for other in set(two.both) - set(some):
                uid = two.of(other)
                assert after[uid] == before[uid], "what is of the other is as it was, to the row"
                two.counts["looked at the other's rows"] += 1
    two.start()
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
    two.start()
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


@pytest.mark.skipif(not FOLDER, reason="make test-servers has the time; make test asks two stores of one process")
def test_two_over_one_vault_are_one_answer_a_note_the_newest(tmp_path: Path, place: Place) -> None:
    """Of a vault that a sync tool shares: each has the whole of it, and one of them may lag."""
    with made(tmp_path, place, remote_text=True) as two:
        first, second = two.both
        for i in range(N_NOTES):
            for daemon in two.both:
                _write(daemon, f"n{i}", f"the {i}th numbat", SAME)
        two.start()
        two.kill()
        two.start(_look_at_once)  # now that all of both is there
        for daemon in two.both:
            until(lambda daemon=daemon: daemon.store["also_fed"] == {"Vault": 1}, "the other to be told", 60)  # type: ignore[misc]
        told = " ".join(first.run("status").stdout.split())
        assert "another source called Vault is put into the same place, by other machines" in told
        assert _merged(first, place) == sorted(first.shown()) == sorted(second.shown())

        _write(first, "n0", "a wombat, here alone by now", SAME + DAY)
        _write(first, "n10", "a note that is new here", SAME + DAY)
        _write(second, "n1", "an axolotl, there alone by now", SAME + 2 * DAY)
        _write(second, "n11", "a note that is new there", SAME + DAY)
        for daemon in two.both:
            daemon.settle()
        two.check()
        newest = {(path, text) for path, text in first.shown() if path != "n1.md"}
        newest |= {(path, text) for path, text in second.shown() if path in ("n1.md", "n11.md")}
        assert Counter(path for path, _ in newest) == {f"n{i}.md": 2 for i in range(N_NOTES + 2)}
        second.kill()
        assert _merged(first, place) == sorted(newest), "what the other has put is there while he is away"

        for giver, taker, names in ((first, second, ("n0", "n10")), (second, first, ("n1", "n11"))):
            for name in names:
                _bring(taker, giver.vault / f"{name}.md")
        first.settle()
        second.start()
        two.check()
        assert _merged(second, place) == sorted(first.shown()) == sorted(second.shown()) == sorted(newest)


def _write(daemon: Vragd, name: str, about: str, at: int) -> None:
    """A note of two passages, changed at that time."""
    note = daemon.home / f"{name}.md"
    note.write_text("\n".join(f"# Part {part} of {name}\n\n" + f"All about {about}.\n" * 20 for part in range(2)))
    os.utime(note, (at, at))
    _bring(daemon, note)


def _bring(daemon: Vragd, note: Path) -> None:
    """Have a note in the vault at once, with the time of its change, as a sync tool does."""
    os.replace(shutil.copy2(note, daemon.home / "brought"), daemon.vault / note.name)


def _look_at_once(daemon: Vragd) -> None:
    with daemon.log_file.open("ab") as log:
        daemon.process = subprocess.Popen([sys.executable, "-c", LOOKS], env=daemon.env, stderr=log)


def _merged(daemon: Vragd, place: Place) -> list[tuple[str, str]]:
    """Path and text of all that is found without a daemon, whoever put it there."""
    asked = daemon.run("query", "numbat", "--store", "notes", "--backend", place.url, "-k", "100", "--json")
    assert asked.returncode == 0, asked.stderr
    return sorted((hit["path"], hit["text"]) for hit in json.loads(asked.stdout)["hits"])
