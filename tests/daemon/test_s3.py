"""A store in a bucket: a real daemon, the real client over HTTP to the fake of S3."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.fakes.s3 import FakeS3
from tests.harness import Vragd, until, vragd
from tests.s3 import configure, live_keys
from vragd.backends.registry import create_backend
from vragd.backends.s3.settings import S3Backend

pytestmark = pytest.mark.slow


def url(fake: FakeS3) -> str:
    return f"s3://my-bucket/of-mine?endpoint_url={quote(fake.url, safe='')}"


def in_bucket(daemon: Vragd, fake: FakeS3) -> None:
    where = {"type": "s3", "bucket": "my-bucket", "prefix": "of-mine", "endpoint_url": fake.url, "remote_text": True}
    configure(daemon, where | {"timeout_s": 1, "query_timeout_s": 1})


def there(fake: FakeS3) -> set[str]:
    """What another process finds."""
    backend = create_backend("s3", S3Backend.from_url(url(fake)), Path())
    found = {key for key, _ in backend.list_keys("notes")}
    backend.close()
    return found


def test_a_note_is_found_by_the_daemon_and_by_whoever_reads_the_bucket(fake_s3: FakeS3, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        in_bucket(daemon, fake_s3)
        (daemon.vault / "n.md").write_text("# One\n\nWords about the okapi.\n\n# Two\n\nNothing.\n")
        daemon.start()
        assert daemon.paths("okapi", mode="vector")[0] == "n.md"
        assert there(fake_s3) == live_keys(daemon)
        assert daemon.problems() == []
        asked = daemon.run("query", "okapi", "-s", "notes", "--backend", url(fake_s3), "--json")
        assert (hit := json.loads(asked.stdout)["hits"][0])["path"] == "n.md", asked.stderr
        assert "okapi" in hit["text"]
        told = daemon.run("store", "info", "notes", "--recall", "--backend", url(fake_s3)).stdout
        assert "recall@10: exact" in told
        assert "recall@10: exact" in daemon.run("store", "info", "notes", "--recall").stdout
        assert "notes, in s3://my-bucket/of-mine, made 20" in told
        assert "suits" not in told
        made = daemon.run("store", "create", "other", "--backend", url(fake_s3))
        assert "s3 suits up to 10,000 vectors; for more: s3vectors or pgvector" in made.stderr


def test_while_the_service_is_gone_answers_go_on_and_what_is_saved_waits(fake_s3: FakeS3, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        in_bucket(daemon, fake_s3)
        (daemon.vault / "n.md").write_text("Words about the okapi.\n")
        daemon.start()
        fake_s3.stop()
        (daemon.vault / "new.md").write_text("Words about the quokka.\n")
        until(lambda: daemon.store["trouble"], "the trouble to be told", 30)
        assert "S3 cannot be reached" in daemon.store["trouble"]["message"]
        assert daemon.paths("okapi", mode="vector") == ["n.md"]
        fake_s3.start()
        until(lambda: "new.md" in daemon.paths("quokka", mode="vector"), "it to catch up", 60)
        daemon.settle()
        assert there(fake_s3) == live_keys(daemon)
        assert daemon.problems() == []
