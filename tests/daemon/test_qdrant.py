"""A store in Qdrant: a real daemon over HTTP to the stand-in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.qdrant import FakeQdrant
from tests.harness import until, vragd
from tests.s3 import configure, live_keys

pytestmark = pytest.mark.slow


def test_a_store_is_filled_asked_from_elsewhere_cut_off_robbed_and_whole_again(
    tmp_path: Path,
) -> None:
    with FakeQdrant() as node, vragd(tmp_path) as daemon:
        place = {"type": "qdrant", "host": node.host, "scheme": "http", "remote_text": True}
        configure(daemon, place | {"timeout_s": 2, "query_timeout_s": 2})
        (daemon.vault / "n.md").write_text("# One\n\nWords about the okapi.\n\n# Two\n\nNothing.\n")
        (daemon.vault / "gone.md").write_text("Words about the dodo.\n")
        daemon.start()
        assert daemon.paths("okapi", mode="vector")[0] == "n.md"
        (daemon.vault / "gone.md").unlink()
        until(lambda: "gone.md" not in daemon.paths("dodo", mode="vector"), "the deletion to be seen", 30)
        assert node.keys("vragd-notes") == live_keys(daemon)
        url = f"qdrant+http://{node.host}"
        asked = daemon.run("query", "okapi", "-s", "notes", "--backend", url, "--json")
        assert (hit := json.loads(asked.stdout)["hits"][0])["path"] == "n.md", asked.stderr
        assert "okapi" in hit["text"]
        told = daemon.run("store", "info", "notes", "--backend", url, "--recall").stdout
        assert "recall@10: exact" in told
        assert "ef construction: 100" in told
        node.stop()
        (daemon.vault / "new.md").write_text("Words about the quokka.\n")
        until(lambda: daemon.store["trouble"], "the trouble to be told", 30)
        assert "Qdrant cannot be reached" in daemon.store["trouble"]["message"]
        assert daemon.paths("okapi", mode="keyword") == ["n.md"]
        node.local.delete_collection("vragd-notes")
        node.start()
        until(lambda: node.local.collection_exists("vragd-notes"), "the collection to be made again", 60)
        until(lambda: node.keys("vragd-notes") == live_keys(daemon), "it to be filled again", 60)
        assert "new.md" in daemon.paths("quokka", mode="vector")
        assert daemon.problems() == []
