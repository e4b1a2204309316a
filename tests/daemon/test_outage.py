"""An embedder that is absent, loses its model, refuses a text, or becomes another one under the same name."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.ollama import FakeOllama
from tests.harness import Vragd, until, vragd


def on_ollama(fake: FakeOllama, daemon: Vragd) -> None:
    embedder = {"type": "ollama", "model": "fake-embed", "url": fake.url, "batch_size": 4}
    daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}})


def write(daemon: Vragd, n: int) -> None:
    for i in range(n):
        (daemon.vault / f"note{i}.md").write_text(f"Note number{i} about subject{i % 3}.\n")


def test_indexing_waits_for_ollama_says_so_and_resumes_by_itself(tmp_path: Path) -> None:
    fake = FakeOllama()
    with fake:
        pass  # it has its port now, and nobody listens there
    with vragd(tmp_path) as daemon:
        on_ollama(fake, daemon)
        write(daemon, 5)
        daemon.start(idle=False)
        until(lambda: "embedder_unavailable" in daemon.status()["degraded"], "the absence to be said")
        trouble = daemon.store["trouble"]
        assert trouble["code"] == "embedder_unavailable"
        assert "ollama serve" in trouble["hint"]
        until(lambda: daemon.store["pending"] == 5, "five paths to wait")
        assert daemon.run("sync", "--wait").returncode == 4
        with fake:
            until(lambda: daemon.store["notes"] == 5 and not daemon.status()["degraded"], "the index", 60)
            assert daemon.paths("number3", top_k=1) == ["note3.md"]
            assert daemon.problems() == []
        answer = daemon.query("number3 subject0", top_k=1)
        assert [hit["path"] for hit in answer["hits"]] == ["note3.md"], "words still answer"
        assert "semantic_unavailable" in answer["degraded"]


def test_a_restart_without_ollama_answers_by_words_and_embeds_nothing_again(tmp_path: Path) -> None:
    fake = FakeOllama()
    with vragd(tmp_path) as daemon:
        with fake:
            on_ollama(fake, daemon)
            write(daemon, 5)
            daemon.start()
            daemon.stop()
        embedded = len(fake.embedded_texts)
        daemon.start(idle=False)
        (daemon.vault / "new.md").write_text("A new quokka.\n")
        assert daemon.paths("subject1", top_k=5)
        with fake:
            until(lambda: daemon.paths("quokka"), "the new note", 60)
            until(lambda: not daemon.query("quokka")["degraded"], "trust", 60)
            assert daemon.problems() == []
        texts = [text for text in fake.embedded_texts[embedded:] if "subject" in text]
        assert texts == []


def test_what_is_saved_without_ollama_is_found_by_words_at_once_and_after_a_kill_and_whole_later(
    tmp_path: Path,
) -> None:
    fake = FakeOllama()
    with vragd(tmp_path) as daemon:
        with fake:
            on_ollama(fake, daemon)
            write(daemon, 5)
            daemon.start()
        (daemon.vault / "new.md").write_text("A new quokka.\n")
        until(lambda: daemon.paths("quokka"), "the note to be found by its words")
        for name in ("other", "third"):  # what is out by now is not asked before each
            (daemon.vault / f"{name}.md").write_text(f"A {name} wombat.\n")
            until(lambda name=name: daemon.paths(f"{name} wombat", top_k=1) == [f"{name}.md"], "the next")
        daemon.kill()
        daemon.start(idle=False)
        assert daemon.paths("quokka") == ["new.md"]
        until(lambda: daemon.store["pending"] == 3, "those that wait to be known")
        (row,) = [row for path, row in daemon.files("pending").items() if path == "new.md"]
        assert (row["n_chunks"], row["reason"].partition(":")[0]) == (1, "by_words")
        assert daemon.files("failed") == {}
        said = daemon.run("files", "--why", str(daemon.vault / "new.md"))
        assert said.returncode == 0
        assert "searched by its words, 1 passage" in said.stdout
        assert "its vectors wait for the embedder" in said.stdout
        assert "3 notes are found by words alone yet" in daemon.run("status").stdout
        assert "3 notes are found by words alone yet" in daemon.run("doctor").stdout
        assert daemon.run("sync", "--wait").returncode == 4
        assert daemon.problems() == []
        embedded = len(fake.embedded_texts)
        with fake:
            until(lambda: not daemon.store["pending"] and not daemon.status()["degraded"], "the vectors", 60)
            assert [hit["path"] for hit in daemon.query("quokka", mode="vector", top_k=1)["hits"]] == ["new.md"]
            assert not [text for text in fake.embedded_texts[embedded:] if "subject" in text]
            assert daemon.problems() == []
        assert set(daemon.store["states"]) == {"indexed"}


def test_what_is_deleted_or_opts_out_goes_while_ollama_is_away(tmp_path: Path) -> None:
    fake = FakeOllama()
    with vragd(tmp_path) as daemon:
        with fake:
            on_ollama(fake, daemon)
            write(daemon, 5)
            daemon.start()
        (daemon.vault / "new.md").write_text("A new quokka.\n")  # waits for its embedding, and nothing waits for it
        until(lambda: "embedder_unavailable" in daemon.status()["degraded"], "the absence to be said")
        (daemon.vault / "note0.md").unlink()
        (daemon.vault / "note1.md").write_text("---\nvragd: false\n---\nNote number1 about subject1.\n")
        until(lambda: not daemon.paths("number0 number1", mode="keyword"), "the two to go")
        assert "embedder_unavailable" in daemon.status()["degraded"], "and ollama is not back by that"
        daemon.stop()
        (daemon.vault / "note2.md").unlink()
        daemon.start(idle=False)
        until(lambda: not daemon.paths("number2", mode="keyword"), "what went meanwhile to go")
        with fake:
            until(lambda: daemon.paths("quokka") and not daemon.status()["degraded"], "the new note", 60)
            assert daemon.problems() == []
            assert sorted(daemon.files()) == ["new.md", "note1.md", "note3.md", "note4.md"]


def test_what_was_withdrawn_while_it_was_down_goes_before_what_waits_for_a_slow_embedder(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        on_ollama(fake, daemon)
        write(daemon, 40)
        names = ("zz_out.md", "zz_gone.md", "zz_excluded/note.md")
        for name in names:
            (daemon.vault / name).parent.mkdir(exist_ok=True)
            (daemon.vault / name).write_text(f"quokka in {name}\n")
        daemon.start()
        assert set(daemon.paths("quokka", top_k=5)) == set(names)
        daemon.stop()
        for i in range(40):
            (daemon.vault / f"note{i}.md").write_text(f"Another note number{i}.\n")
        (daemon.vault / names[0]).write_text("---\nvragd: false\n---\nquokka\n")
        (daemon.vault / names[1]).unlink()
        (daemon.vault / ".obsidian").mkdir()
        (daemon.vault / ".obsidian" / "app.json").write_text('{"userIgnoreFilters": ["zz_excluded/"]}')
        fake.delay_s = 0.5  # ten batches of four: five seconds
        daemon.start(idle=False)
        until(lambda: not daemon.paths("quokka", top_k=5), "what was withdrawn to go")
        assert daemon.store["pending"] > 0, "while others still wait"
        fake.delay_s = 0.0
        daemon.settle()


def test_a_model_replaced_by_one_of_equal_dimension_is_noticed_before_it_embeds_a_note(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        on_ollama(fake, daemon)
        write(daemon, 3)
        daemon.start()
        space, n_asked = daemon.store["space"], fake.count("/api/tags")
        fake.digest = "f" * 64
        (daemon.vault / "note0.md").write_text("Changed quokka.\n")
        until(lambda: daemon.store["space"] != space, "the other space", 60)
        until(lambda: not daemon.status()["pending"] and not daemon.status()["degraded"], "all to move over", 60)
        assert len([text for text in fake.embedded_texts if "quokka" in text]) == 1
        assert fake.count("/api/tags") - n_asked < 20, "asked once a round"
        assert daemon.problems() == []


def test_a_model_that_is_not_pulled_names_the_command(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        fake.models = []
        on_ollama(fake, daemon)
        daemon.start(idle=False)
        until(lambda: daemon.store["trouble"], "the trouble")
        assert "ollama pull fake-embed" in daemon.store["trouble"]["hint"]
        assert "ollama pull fake-embed" in daemon.run("status").stdout


def test_one_poison_text_costs_nobody_else_anything(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        fake.poison = "arsenic"
        on_ollama(fake, daemon)
        write(daemon, 20)
        (daemon.vault / "bad.md").write_text("# One\n\ngood words\n\n# Two\n\nsome arsenic\n")
        daemon.start(idle=False)
        until(lambda: daemon.files().get("bad.md", {}).get("state") == "partial", "the poison to be found")
        until(lambda: len(daemon.files("indexed")) == 20, "the others")
        assert daemon.paths("arsenic", mode="keyword") == ["bad.md"]
        assert daemon.paths("good words", mode="vector", top_k=1) == ["bad.md"]
        assert "refuses 1 of 2" in daemon.files("failed")["bad.md"]["reason"]
        assert daemon.problems() == []
        fake.poison = None
        (daemon.vault / "bad.md").write_text("# One\n\ngood words\n\n# Two\n\nsome sugar\n")
        until(lambda: daemon.files()["bad.md"]["state"] == "indexed", "the cure")


def test_another_model_under_the_same_name_gets_a_space_of_its_own(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        on_ollama(fake, daemon)
        write(daemon, 12)
        daemon.start()
        space = daemon.store["space"]
        daemon.stop()
        fake.dimension, fake.digest = 48, "f" * 64
        n = len(fake.embedded_texts)
        daemon.start()
        assert daemon.store["space"] != space
        assert len([text for text in fake.embedded_texts[n:] if "Note number" in text]) == 12
        assert daemon.problems() == []
        info = daemon.client.request("GET", "/v1/stores/notes")
        assert info["index"]["dimension"] == 48
        assert info["index"]["vectors"] == 12
        assert daemon.paths("number7", top_k=1) == ["note7.md"]


def test_a_model_replaced_while_the_daemon_runs_is_noticed(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        on_ollama(fake, daemon)
        write(daemon, 6)
        daemon.start()
        space = daemon.store["space"]
        fake.dimension, fake.digest = 48, "f" * 64
        (daemon.vault / "note0.md").write_text("Changed quokka.\n")
        until(lambda: daemon.store["space"] != space, "the other space", 60)
        until(lambda: not daemon.status()["pending"] and not daemon.status()["degraded"], "all to move over", 60)
        assert daemon.problems() == []
        assert daemon.paths("quokka", top_k=1) == ["note0.md"]


def test_one_answer_is_one_json_document(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        write(daemon, 3)
        daemon.start()
        for command in (
            ["query", "number1", "--json"], ["status", "--json"], ["files", "--json"], ["verify", "--json"],
            ["store", "list", "--json"], ["store", "info", "notes", "--json"], ["config", "show", "--json"],
        ):  # fmt: skip
            done = daemon.run(*command)
            assert (done.returncode, done.stderr) == (0, "")
            json.loads(done.stdout)
        hit = json.loads(daemon.run("query", "number1", "--json", "-k", "1").stdout)["hits"][0]
        assert set(hit) == {
            "store", "source", "path", "title", "heading", "lines", "score", "text", "uri", "excerpt", "spans",
            "excerpt_lines", "passages", "copies", "weak", "template", "modified", "created", "parts", "id",
            "file", "date",
        }  # fmt: skip
