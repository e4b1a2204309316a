"""A real daemon on an OpenAI-compatible server: its key, a model swapped under its name, and what is said meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.openai import FakeOpenAI
from tests.harness import until, vragd
from tests.terminal import on_terminal


def test_a_key_that_is_refused_is_said_and_one_that_is_mended_is_taken_and_is_nowhere(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-planted-wrong\n")
    key.chmod(0o600)
    with FakeOpenAI(key="sk-planted-right") as server, vragd(tmp_path / "home") as daemon:
        embedder = {"type": "openai", "model": "fake-embed", "url": server.base, "key_file": str(key)}
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}})
        (daemon.vault / "a.md").write_text("a pangolin sleeps\n")
        daemon.start(idle=False)
        until(lambda: "embedder_refused" in daemon.status()["degraded"], "the key to be refused")
        assert "key_file" in daemon.store["trouble"]["hint"]
        assert daemon.run("sync", "--wait").returncode == 4, "no waiting mends that"
        key.write_text("sk-planted-right\n")
        until(lambda: daemon.paths("pangolin", mode="vector") == ["a.md"], "the right key to be taken", 60)
        until(lambda: not daemon.status()["degraded"], "it to be well")

        first = daemon.store["space"]
        server.digest = "b" * 64
        (daemon.vault / "b.md").write_text("another quokka\n")
        until(lambda: daemon.store["space"] != first and not daemon.status()["degraded"], "the other model", 60)
        assert daemon.paths("quokka", mode="vector", top_k=1) == ["b.md"]
        daemon.stop()
        n_asked = len([text for batch in server.embed_batches() for text in batch if "pangolin" in text])
        daemon.start()
        assert daemon.paths("pangolin", mode="vector", top_k=1) == ["a.md"]
        asked = [text for batch in server.embed_batches() for text in batch if "pangolin" in text]
        assert len(asked) == n_asked + 1, "after a restart it is the same model: the question alone is embedded"
        assert daemon.problems() == []
        kept = [path for path in daemon.data.rglob("*") if path.is_file() and b"sk-planted" in path.read_bytes()]
        assert kept == []
        assert "sk-planted" not in daemon.log() + str(daemon.status())


def test_what_leaves_the_machine_is_said_and_agreed_to_before_it_is_sent_again(tmp_path: Path) -> None:
    more = tmp_path / "More"
    more.mkdir()
    (more / "c.md").write_text("wombat\n")
    with FakeOpenAI() as server, vragd(tmp_path / "home") as daemon:
        # an address of no machine, which the system connects to itself: not spelt as one that stays here
        url = server.base.replace("127.0.0.1", "0.0.0.0")
        embedder = {"type": "openai", "model": "fake-embed", "url": url, "allow_remote": True}
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}})
        (daemon.vault / "a.md").write_text("a pangolin sleeps\n")
        daemon.start()
        assert "goes to 0.0.0.0 to be embedded" in daemon.run("status").stdout

        def n_sent() -> int:
            return sum("pangolin" in text for text in server.embedded_texts)

        assert n_sent() == 1
        refused = daemon.run("reindex", "notes", "--embed")
        assert (refused.returncode, n_sent()) == (2, 1), refused.stderr
        assert "1 text, about 17 bytes or 4 tokens, to be sent to 0.0.0.0" in refused.stderr
        where: dict[str, Any] = {"env": daemon.env, "cwd": daemon.home}
        asked, status = on_terminal("reindex", "notes", "--embed", typed=b"n\n", **where)
        assert ("[y/N]" in asked, status, n_sent()) == (True, 1, 1)
        done = daemon.run("reindex", "notes", "--embed", "--yes")
        assert (done.returncode, n_sent()) == (0, 2), done.stderr
        added = daemon.run("add", str(more))
        assert "1 text, about 7 bytes or 1 token, to be sent to 0.0.0.0" in added.stdout + added.stderr
        assert "to be sent" not in daemon.run("reload").stderr, "nothing is embedded anew"
        daemon.config_file.write_text(daemon.config_file.read_text().replace("fake-embed", "fake-embed:latest"))
        reloaded = daemon.run("reload")
        assert (reloaded.returncode, "store notes: 2 texts, about " in reloaded.stderr) == (0, True), reloaded.stderr
