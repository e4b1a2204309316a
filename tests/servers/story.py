"""What happens to a daemon whose vectors are in a real server, told once for every kind of server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.harness import Vragd, until, vragd
from tests.s3 import configure, live_keys

N_NOTES = 12


class Place(Protocol):
    """A server that runs, and where in it the store `notes` has its vectors."""

    url: str
    """Of the place, as `--backend` takes it."""
    wrong_url: str
    """One with a password in it, `planted`."""
    secret_belongs_in: str
    """What is named to who gives that."""

    def configure(self, daemon: Vragd, **backend: Any) -> None:
        """Have its notes there. `backend`: settings of it besides."""

    def held(self) -> set[str]:
        """The keys that are there."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


def fill(daemon: Vragd) -> None:
    for i in range(N_NOTES):
        (daemon.vault / f"n{i:02}.md").write_text(f"# Number {i}\n\nNote number {i} about a numbat.\n")


@contextmanager
def running(folder: Path, configure: Callable[[Vragd], None]) -> Iterator[Vragd]:
    """A daemon whose notes are in the place that `configure` names."""
    with vragd(folder) as daemon:
        configure(daemon)
        fill(daemon)
        daemon.start()
        yield daemon


def is_moved_away_and_back_without_embedding(daemon: Vragd, place: Place) -> None:
    question = "which animal has the number seven"
    found = daemon.paths(question, mode="vector")
    assert place.held() == live_keys(daemon)
    daemon.stop()
    configure(daemon, {"type": "faiss"})
    daemon.start()
    assert (daemon.paths(question, mode="vector"), daemon.store["n_embedded"]) == (found, 0)
    daemon.stop()
    place.configure(daemon)
    daemon.start()
    assert (daemon.paths(question, mode="vector"), daemon.store["n_embedded"]) == (found, 0)
    assert place.held() == live_keys(daemon)
    assert daemon.problems() == []


def is_asked_without_the_daemon(daemon: Vragd, place: Place) -> None:
    daemon.stop()
    asked = daemon.run("query", "numbat number 7", "--store", "notes", "--backend", place.url, "--json")
    assert asked.returncode == 0, asked.stderr
    hits: list[dict[str, Any]] = json.loads(asked.stdout)["hits"]
    assert hits[0]["path"].startswith("n")
    told = daemon.run("store", "list", "--backend", place.url)
    assert (told.returncode, told.stdout.split()[0]) == (0, "notes"), told.stderr
    info = daemon.run("store", "info", "notes", "--backend", place.url)
    assert info.returncode == 0, info.stderr
    assert {f"  {N_NOTES} vectors", "  index: exact"} <= set(info.stdout.splitlines())
    wrong = daemon.run("store", "list", "--backend", place.wrong_url)
    assert (wrong.returncode, "planted" in wrong.stderr, place.secret_belongs_in in wrong.stderr) == (2, False, True)


def is_asked_by_words_once_it_keeps_text(daemon: Vragd, place: Place) -> None:
    """The text is put there when the configuration says so, without embedding; words need no daemon and no model."""

    def asked(mode: str, text: str = "which is the quagga") -> Any:
        return daemon.run("query", text, "-s", "notes", "--backend", place.url, "--mode", mode, "--json")

    (daemon.vault / "zebra.md").write_text("# Zebras\n\nThe quagga is no more.\n")
    daemon.settle()
    without = asked("keyword")
    assert (without.returncode, "no text" in without.stderr) == (4, True), without.stderr
    assert "remote_text: true" in without.stderr
    daemon.stop()
    place.configure(daemon, remote_text=True)
    daemon.start()
    daemon.settle()
    assert daemon.store["n_embedded"] == 0
    daemon.stop()
    for mode in ("keyword", "hybrid"):
        found = asked(mode)
        assert found.returncode == 0, found.stderr
        hit = json.loads(found.stdout)["hits"][0]
        assert (hit["path"], "no more" in hit["text"]) == ("zebra.md", True)
    assert asked("keyword", "thylacine").returncode == 1
    daemon.start()
    (daemon.vault / "zebra.md").write_text("# Zebras\n\nStripes.\n")
    until(lambda: asked("keyword").returncode == 1, "what is gone to be found no more", 60)


def is_cut_off_and_catches_up(daemon: Vragd, place: Place) -> None:
    place.kill()
    try:
        (daemon.vault / "offline.md").write_text("Written offline: axolotl.\n")
        until(lambda: daemon.store["trouble"], "the trouble to be told", 60)
        assert daemon.store["trouble"]["code"] == "backend_unavailable"
        assert daemon.query("numbat")["hits"], "words go on"
        daemon.kill()
        daemon.start(idle=False)
        assert daemon.query("numbat", mode="keyword")["hits"], "a start needs no network"
    finally:
        place.start()
    until(lambda: not daemon.status()["degraded"] and not daemon.store["pending"], "it to catch up", 100)
    assert daemon.paths("axolotl", mode="vector")[0] == "offline.md"
    assert place.held() == live_keys(daemon)
    assert daemon.problems() == []


def is_robbed_and_filled_again(daemon: Vragd, place: Place, rob: Callable[[], object]) -> None:
    embedded = daemon.store["n_embedded"]
    rob()
    assert daemon.query("numbat")["hits"], "words go on"
    (daemon.vault / "n00.md").write_text("# Number 0\n\nNote number 0 about a wombat.\n")
    until(lambda: daemon.paths("wombat", mode="keyword") == ["n00.md"], "the save", 60)
    daemon.settle()
    assert place.held() == live_keys(daemon)
    assert daemon.store["n_embedded"] == embedded + 1
    assert daemon.problems() == []
