"""A store on S3 Vectors under faults: a real daemon, the real client over HTTP to the emulator."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.test_crash import chunks_of
from tests.fakes.s3vectors import FakeS3Vectors
from tests.harness import Vragd, copy_vault, until, vragd
from tests.s3 import BUCKET, by_bucket, live_keys, on_s3
from tests.warm import warm

THROTTLED = (429, "TooManyRequestsException")


def test_a_one_chunk_save_costs_one_put_and_one_delete(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        sections = [f"# Part {i}\n\nWords about subject number {i}.\n" for i in range(20)]
        note = daemon.vault / "long.md"
        note.write_text("\n".join(sections))
        daemon.start()
        until(lambda: s3.calls["ListVectors"], "the look for what an earlier catalog may have left")
        s3.forget_calls()
        note.write_text("\n".join(sections).replace("number 7", "number seven, the quokka"))
        until(lambda: any("quokka" in hit["text"] for hit in daemon.query("quokka")["hits"]), "the save to be found")
        until(lambda: s3.calls["DeleteVectors"], "the old chunk to go")
        assert {op: n for op, n in s3.calls.items() if op != "QueryVectors"} == {"PutVectors": 1, "DeleteVectors": 1}
        assert (s3.n_put, s3.n_deleted) == (1, 1)


def test_lines_in_the_index_follow_an_edit_above_them_without_embedding(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        note = daemon.vault / "n.md"
        note.write_text("# One\n\nfirst words\n\n# Two\n\nabout the okapi\n")
        daemon.start()
        assert by_bucket(daemon, s3, "okapi", "-k", "1")[0]["lines"] == [5, 7]
        embedded = daemon.store["n_embedded"]
        s3.forget_calls()
        note.write_text("# One\n\nfirst words\n\n\n\n# Two\n\nabout the okapi\n")
        until(lambda: s3.calls["PutVectors"] == 1, "the put")
        daemon.settle()
        assert by_bucket(daemon, s3, "okapi", "-k", "1")[0]["lines"] == [7, 9]
        assert daemon.store["n_embedded"] == embedded


def test_throttled_on_every_second_call_everything_arrives(s3: FakeS3Vectors, tmp_path: Path) -> None:
    copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        s3.every_second = THROTTLED
        warm(daemon)
        daemon.start()
        for i in range(5):
            (daemon.vault / f"new {i}.md").write_text(f"A new note, number {i}.\n")
        (daemon.vault / "Clippings/Buy wisely.md").unlink()
        daemon.settle()
        assert daemon.shown() == chunks_of(daemon.vault)
        s3.every_second = None
        assert daemon.problems() == []
        assert s3.keys(BUCKET, "notes") == live_keys(daemon)
        assert s3.violations == []


def test_writes_that_lose_their_answers_are_repeated(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        s3.apply_then_drop = 12
        for i in range(10):
            (daemon.vault / f"n{i}.md").write_text(f"Note number {i}.\n")
        daemon.start()
        (daemon.vault / "n3.md").write_text("Note number three.\n")
        (daemon.vault / "n4.md").unlink()
        s3.apply_then_drop = 4
        until(lambda: daemon.paths("three", mode="keyword") == ["n3.md"], "the save", 60)
        until(lambda: len(s3.keys(BUCKET, "notes")) == 9, "old keys to go", 60)
        daemon.settle()
        assert daemon.problems() == []


class _Strike:
    """kill -9 before or after the n-th mutation is applied."""

    def __init__(self, daemon: Vragd, n: int, when: str) -> None:
        self.n_calls = 0
        self._daemon, self._point = daemon, (n, when)

    def __call__(self, operation: str, when: str) -> None:
        self.n_calls += when == "before"
        if (self.n_calls, when) == self._point:
            self._daemon.kill()


def test_killed_between_any_two_calls_every_note_stays_whole(s3: FakeS3Vectors, tmp_path: Path) -> None:
    """Each mutation of a scenario in turn is the last thing the daemon does or does not see."""
    old, new = "# A\n\nold alpha\n\n# B\n\nold beta\n", "# A\n\nnew alpha\n\n# B\n\nnew beta\n"
    points = [(n, when) for n in range(1, 4) for when in ("before", "after")]
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        note, gone = daemon.vault / "n.md", daemon.vault / "gone.md"
        for point in points:
            note.write_text(old)
            gone.write_text("# Gone\n\nsoon gone\n")
            daemon.start()
            strike = _Strike(daemon, *point)
            s3.on_call = strike
            note.write_text(new)
            until(lambda: daemon.process is None or strike.n_calls >= 2, "the edit to be put")  # noqa: B023
            gone.unlink()
            until(lambda: daemon.process is None, f"the kill at {point}")
            s3.on_call = lambda *_: None
            assert live_keys(daemon) <= s3.keys(BUCKET, "notes"), f"after {point} a live vector is missing"
            texts = {text for path, text in daemon.shown() if path == "n.md"}
            assert len(texts) == 2
            assert len({text.split()[2] for text in texts}) == 1, f"after {point} the note is half old, half new"
            daemon.start()
            assert daemon.shown() == chunks_of(daemon.vault)
            assert daemon.problems() == []
            assert s3.keys(BUCKET, "notes") == live_keys(daemon)
            daemon.stop()


def test_an_outage_is_told_words_go_on_and_it_catches_up(s3: FakeS3Vectors, tmp_path: Path) -> None:
    copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        warm(daemon)
        daemon.start()
        s3.stop()
        for i in range(3):
            (daemon.vault / f"offline {i}.md").write_text(f"Written offline, number {i}: axolotl.\n")
        until(lambda: daemon.store["trouble"], "the trouble to be told")
        trouble = daemon.store["trouble"]
        assert trouble["code"] == "backend_unavailable"
        assert "cannot be reached" in trouble["message"]
        assert daemon.store["pending"] == 3
        answer = daemon.query("cost per use of socks")
        assert answer["hits"][0]["path"] == "Clippings/Buy wisely.md"
        assert {"semantic_unavailable", "backend_unavailable"} <= set(answer["degraded"])
        assert "waiting for" in daemon.run("status").stdout
        daemon.kill()
        daemon.start(idle=False)
        assert daemon.query("cost per use of socks", mode="keyword")["hits"], "a start needs no network"
        s3.start()
        until(lambda: not daemon.status()["degraded"] and not daemon.store["pending"], "it to catch up", 60)
        assert len(daemon.paths("axolotl", mode="keyword")) == 3
        assert daemon.problems() == []


def test_expired_credentials_and_missing_permissions_are_named_and_waited_out(
    s3: FakeS3Vectors, tmp_path: Path
) -> None:  # fmt: skip
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        (daemon.vault / "a.md").write_text("The first pangolin.\n")
        daemon.start()
        s3.expired = True
        (daemon.vault / "b.md").write_text("The second pangolin.\n")
        until(lambda: daemon.store["trouble"], "the trouble")
        assert daemon.store["trouble"]["code"] == "backend_refused"
        assert "aws sso login" in daemon.run("status").stdout
        s3.expired, s3.denied = False, frozenset({"PutVectors"})
        until(lambda: "s3vectors:PutVectors" in (daemon.store["trouble"] or {}).get("hint", ""), "the permission", 60)
        s3.denied = frozenset()
        until(lambda: len(daemon.paths("pangolin")) == 2 and not daemon.status()["degraded"], "recovery", 60)
        assert daemon.problems() == []


def test_an_index_deleted_by_somebody_else_is_made_and_filled_again(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        for i in range(8):
            (daemon.vault / f"n{i}.md").write_text(f"Note number {i} about a numbat.\n")
        daemon.start()
        embedded = daemon.store["n_embedded"]
        s3.moto.delete_index(BUCKET, "notes", "")
        assert len(daemon.query("numbat")["hits"]) == 5, "words go on"
        (daemon.vault / "n0.md").write_text("Note number 0 about a wombat.\n")
        until(lambda: daemon.paths("wombat", mode="keyword") == ["n0.md"], "the save", 60)
        daemon.settle()
        assert s3.keys(BUCKET, "notes") == live_keys(daemon)
        assert daemon.store["n_embedded"] == embedded + 1
        assert daemon.problems() == []


def test_what_is_seen_late_is_missed_at_worst(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        (daemon.vault / "n.md").write_text("An old sentence about an ibis.\n")
        daemon.start()
        s3.visible_after_s = 1.0
        (daemon.vault / "n.md").write_text("A new sentence about an ibex.\n")
        until(lambda: daemon.paths("ibex", mode="keyword") == ["n.md"], "the words")
        for hit in daemon.query("ibis", mode="vector")["hits"]:
            assert "ibex" in hit["text"]
        seen = lambda: daemon.paths("ibex", mode="vector") == ["n.md"]  # noqa: E731
        until(lambda: seen() and s3.keys(BUCKET, "notes") == live_keys(daemon), "the change to be seen")


def test_a_store_that_cannot_be_deleted_there_is_kept_here(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        (daemon.vault / "n.md").write_text("A note.\n")
        daemon.start()
        s3.stop()
        refused = daemon.run("store", "delete", "notes", "--yes")
        assert refused.returncode == 4
        assert "the store is kept" in refused.stderr
        assert "--keep-remote" in refused.stderr
        assert daemon.paths("note", mode="keyword") == ["n.md"]
        assert daemon.run("store", "delete", "notes", "--yes", "--keep-remote").returncode == 0
        s3.start()
        assert len(s3.keys(BUCKET, "notes")) == 1
