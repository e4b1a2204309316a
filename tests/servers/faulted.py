"""What becomes of a daemon whose server has faults, or is changed under it, told once for every kind of server."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness import Vragd, until
from tests.s3 import live_keys
from tests.servers.between import Faults
from tests.servers.story import Place

N_MORE = 70
"""Notes that are put in more than one batch."""


def write_more(daemon: Vragd) -> None:
    for i in range(N_MORE):
        (daemon.vault / f"more {i:03}.md").write_text(f"# More {i}\n\nOne more of them, number {i}, about a quokka.\n")


def is_whole(daemon: Vragd, place: Place, n_embedded: int) -> None:
    """All is there and nothing else, no text was embedded twice, and nothing is told to be wrong."""
    daemon.settle()
    assert place.held() == live_keys(daemon)
    assert daemon.problems() == []
    assert daemon.store["n_embedded"] == n_embedded
    assert daemon.status()["degraded"] == []


def bears_what_a_busy_server_does(daemon: Vragd, place: Place, faults: Faults) -> None:
    """Every second call is refused, and then writes are done whose answers never come."""
    n_embedded = daemon.store["n_embedded"]
    faults.throttles = True
    write_more(daemon)
    (daemon.vault / "n00.md").unlink()
    until(lambda: len(place.held()) > N_MORE, "all to arrive", 100)
    faults.throttles = False
    is_whole(daemon, place, n_embedded + N_MORE)

    faults.apply_then_drop = 4
    (daemon.vault / "n01.md").write_text("# Number 1\n\nA wombat by now.\n")
    (daemon.vault / "n02.md").unlink()
    until(lambda: faults.apply_then_drop == 0, "answers to be lost", 60)
    until(lambda: daemon.paths("wombat", mode="vector")[:1] == ["n01.md"], "the save", 60)
    is_whole(daemon, place, n_embedded + N_MORE + 1)


def waits_while_it_is_let_in_no_more(
    daemon: Vragd, place: Place, way: str, expire: Callable[[], object], renew: Callable[[], object]
) -> None:
    """Its credentials have expired. `way`: what is said of the way out."""
    n_embedded = daemon.store["n_embedded"]
    expire()
    try:
        (daemon.vault / "n03.md").write_text("# Number 3\n\nA wombat by now.\n")
        until(lambda: daemon.store["trouble"], "the trouble to be told", 60)
        assert daemon.store["trouble"]["code"] == "backend_refused"
        assert way in " ".join(daemon.run("status").stdout.split())
        assert daemon.query("numbat")["hits"], "words go on"
        assert daemon.paths("wombat", mode="keyword") == ["n03.md"] or daemon.store["pending"]
    finally:
        renew()
    until(lambda: not daemon.status()["degraded"] and not daemon.store["pending"], "it to catch up", 60)
    assert daemon.paths("wombat", mode="vector")[0] == "n03.md"
    is_whole(daemon, place, n_embedded + 1)


def is_restarted_amid_a_batch(daemon: Vragd, place: Place, faults: Faults) -> None:
    """The server is killed while it is told the second of several batches, and comes back."""
    n_embedded, n_writes = daemon.store["n_embedded"], 0

    def strike() -> None:
        nonlocal n_writes
        n_writes += 1
        if n_writes == 2:
            place.kill()

    faults.before_write = strike
    try:
        write_more(daemon)
        until(lambda: n_writes >= 2 and daemon.store["trouble"], "the trouble to be told", 60)
        assert daemon.query("numbat")["hits"], "words go on"
    finally:
        faults.before_write = lambda: None
        place.start()
    until(lambda: not daemon.status()["degraded"] and not daemon.store["pending"], "it to catch up", 100)
    is_whole(daemon, place, n_embedded + N_MORE)


def is_emptied_and_filled_again(daemon: Vragd, place: Place, empty: Callable[[], object]) -> None:
    """Somebody took all out of what is left standing: whoever asks next has that found, and nothing is embedded."""
    n_embedded = daemon.store["n_embedded"]
    empty()
    assert place.held() == set()
    assert daemon.query("numbat")["hits"], "words go on"
    until(lambda: daemon.query("numbat", mode="vector")["hits"], "what was there to be found again", 60)
    assert "store.vectors_gone" in daemon.log()
    is_whole(daemon, place, n_embedded)
