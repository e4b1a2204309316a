"""A backend that takes a part of what it is given. Its other faults: tests/daemon/test_s3vectors.py."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.ollama import FakeOllama
from tests.fakes.s3vectors import FakeS3Vectors
from tests.harness import until, vragd
from tests.s3 import BUCKET, live_keys, on_s3

N = 600  # a request takes 500 vectors


def test_a_batch_of_which_a_part_was_taken_shows_the_old_note_whole_and_leaves_nothing_behind(
    s3: FakeS3Vectors, tmp_path: Path
) -> None:
    with FakeOllama() as ollama, vragd(tmp_path, watch={"settle_ms": 20}) as daemon:
        on_s3(daemon, s3, {"type": "ollama", "model": "fake-embed", "url": ollama.url, "batch_size": 256})
        note = daemon.vault / "long.md"
        note.write_text("an old note about a numbat\n")
        daemon.start()
        old = s3.keys(BUCKET, "notes")

        def second_part(operation: str, when: str) -> None:
            if (operation, when) == ("PutVectors", "after") and len(s3.keys(BUCKET, "notes")) > 1:
                s3.on_call = lambda *_: None
                s3.denied = frozenset({"PutVectors"})

        s3.on_call = second_part
        note.write_text("\n".join(f"# Part {i}\n\nnew words, quokka{i}\n" for i in range(N)))
        until(lambda: daemon.store["trouble"], "the second part to be refused", 60)
        assert len(s3.keys(BUCKET, "notes")) == 501, "the first part was taken"
        assert live_keys(daemon) == old
        assert daemon.paths("quokka7", mode="keyword") == []
        assert daemon.paths("numbat", mode="keyword") == ["long.md"]
        assert [hit["text"] for hit in daemon.query("numbat", mode="vector")["hits"]] == ["an old note about a numbat"]
        note.write_text("a third note about a bilby\n")  # before the second was ever whole
        s3.denied = frozenset()
        until(lambda: daemon.paths("bilby", mode="keyword") == ["long.md"], "the third note", 60)
        daemon.settle()
        assert s3.keys(BUCKET, "notes") == live_keys(daemon)
        assert len(live_keys(daemon)) == 1
        assert s3.violations == []
        assert daemon.problems() == []
