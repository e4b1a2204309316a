"""Stores on S3 Vectors made, moved, shared and left: a real daemon, the real client over HTTP to the emulator."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.depth import more
from tests.fakes.ollama import FakeOllama
from tests.fakes.s3vectors import FakeS3Vectors
from tests.harness import copy_vault, until, vragd
from tests.s3 import BUCKET, by_bucket, configure, live_keys, on_s3
from tests.warm import warm


def test_a_store_is_found_by_the_daemon_and_by_a_machine_without_the_vault(
    s3: FakeS3Vectors, tmp_path: Path
) -> None:  # fmt: skip
    home, elsewhere = tmp_path / "one", tmp_path / "two"
    home.mkdir(), elsewhere.mkdir()
    copy_vault("kepano", home / "Vault")
    with vragd(home) as daemon, vragd(elsewhere) as other:
        on_s3(daemon, s3)
        warm(daemon)
        daemon.start()
        assert daemon.paths("cost per use of socks", mode="vector")[0] == "Clippings/Buy wisely.md"
        assert daemon.problems() == []
        other.config_file.unlink()
        hit = by_bucket(other, s3, "cost per use of socks", "-k", "1")[0]
        here = daemon.query("cost per use of socks", mode="vector", top_k=1)["hits"][0]
        assert hit["text"] == ""
        told = {name: value for name, value in here.items() if name in hit}
        assert {**told, "text": "", "uri": "", "score": 0} == {**hit, "score": 0}
        assert hit["score"] == pytest.approx(here["score"], abs=1e-5)
        in_folder = by_bucket(other, s3, "cost per use of socks", "--folder", "References")
        assert in_folder
        assert all(hit["path"].startswith("References/") for hit in in_folder)
        for metadata in s3.metadata(BUCKET, "notes").values():
            assert "content" not in metadata
        assert s3.violations == []


def test_text_goes_along_only_when_asked_and_leaves_when_no_longer(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3, remote_text=True)
        (daemon.vault / "secret.md").write_text("The capybara sleeps at noon.\n")
        daemon.start()
        assert "capybara" in by_bucket(daemon, s3, "capybara")[0]["text"]
        daemon.stop()
        on_s3(daemon, s3)
        daemon.start()
        assert "capybara" not in json.dumps(s3.metadata(BUCKET, "notes"))
        assert daemon.store["n_embedded"] == 0


def test_what_others_keep_in_the_bucket_of_a_store_is_listed_beside_it(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        (daemon.vault / "a.md").write_text("A note of ours.\n")
        daemon.start()
        daemon.run("store", "create", "theirs", "--bucket", BUCKET, "--endpoint-url", s3.url)
        told = daemon.run("store", "list", "--all")
        assert told.returncode == 0, told.stderr
        assert "beside yours" not in next(line for line in told.stdout.splitlines() if line.startswith("  notes "))
        assert next(line for line in told.stdout.splitlines() if "theirs" in line).endswith("beside yours")
        (there,) = json.loads(daemon.run("store", "list", "--all", "--json").stdout)["shared"]
        assert (there["type"], there["error"]) == ("s3vectors", None)
        assert {one["name"]: one["ours"] for one in there["stores"]} == {"notes": True, "theirs": False}
    with vragd(tmp_path / "away") as daemon:
        configure(daemon, {"type": "s3vectors", "bucket": BUCKET, "endpoint_url": "http://127.0.0.1:9"})
        daemon.start(idle=False)
        away = daemon.run("store", "list", "--all")
        assert away.returncode == 1
        assert BUCKET in away.stderr
        assert "Traceback" not in away.stderr


def test_a_writer_with_another_model_is_refused_and_changes_nothing(s3: FakeS3Vectors, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    with FakeOllama(dimension=384) as ollama, vragd(one) as first, vragd(two) as second:
        on_s3(first, s3)
        (first.vault / "a.md").write_text("Made with the builtin model.\n")
        first.start()
        before = s3.metadata(BUCKET, "notes")
        on_s3(second, s3, {"type": "ollama", "model": "fake-embed", "url": ollama.url})
        (second.vault / "b.md").write_text("Made with another model.\n")
        second.start(idle=False)
        until(lambda: second.store["trouble"], "the refusal")
        assert second.store["trouble"]["code"] == "store_mismatch"
        assert "builtin-all-minilm-l6-v2" in second.store["trouble"]["message"]
        assert s3.metadata(BUCKET, "notes") == before


def test_two_machines_feed_one_index_and_leave_each_other_alone(s3: FakeS3Vectors, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    with vragd(one) as first, vragd(two) as second:
        for daemon, animal in ((first, "pangolin"), (second, "quokka")):
            on_s3(daemon, s3)
            (daemon.vault / f"{animal}.md").write_text(f"Everything about the {animal}.\n")
            daemon.start()
        assert first.paths("animal", mode="vector") == ["pangolin.md"], "a store answers with its own notes"
        assert {hit["path"] for hit in by_bucket(second, s3, "animal")} == {"pangolin.md", "quokka.md"}
        assert first.problems() == second.problems() == []
        (first.vault / "pangolin.md").unlink()
        until(lambda: len(s3.keys(BUCKET, "notes")) == 1, "the one to go")
        assert first.run("store", "delete", "notes", "--yes").returncode == 0
        assert s3.keys(BUCKET, "notes") == live_keys(second)
        assert second.run("store", "delete", "notes", "--yes").returncode == 0
        assert second.run("store", "list", "--bucket", BUCKET, "--endpoint-url", s3.url).stdout == ""


def test_starting_over_leaves_no_ghosts_in_the_index(s3: FakeS3Vectors, tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        on_s3(daemon, s3)
        for i in range(5):
            (daemon.vault / f"n{i}.md").write_text(f"Note number {i}.\n")
        daemon.start()
        daemon.kill()
        shutil.rmtree(daemon.data)
        (daemon.vault / "n0.md").unlink()
        daemon.start()
        until(lambda: s3.keys(BUCKET, "notes") == live_keys(daemon), "the ghosts to go")
        assert len(s3.keys(BUCKET, "notes")) == 4
        assert daemon.problems() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("n_notes", [25, *more(100)])
def test_thousands_of_chunks_move_to_s3_vectors_and_back_without_embedding(
    n_notes: int, s3: FakeS3Vectors, tmp_path: Path
) -> None:
    """Several requests of everything; in a campaign ten thousand."""
    n_chunks = 100 * n_notes
    questions = [f"subject{i} and word{i * 7}" for i in range(12)]
    with FakeOllama(dimension=32) as ollama, vragd(tmp_path) as daemon:
        embedder = {"type": "ollama", "model": "fake-embed", "url": ollama.url, "batch_size": 256}
        rng = random.Random(7)  # no two texts are equally near
        for n in range(n_notes):
            sections = [f"# {n}.{i}\n\nsubject{i} word{n} in note {n}, part {i}, {rng.random()}.\n" for i in range(100)]
            (daemon.vault / f"n{n}.md").write_text("\n".join(sections))
        configure(daemon, {"type": "faiss"}, embedder)
        daemon.start()
        assert daemon.store["chunks"] == n_chunks

        def top_ten() -> list[list[tuple[str, list[int]]]]:
            answers = [daemon.query(question, mode="vector", top_k=10) for question in questions]
            assert [answer["degraded"] for answer in answers] == [[]] * len(questions)
            return [[(hit["path"], hit["lines"]) for hit in answer["hits"]] for answer in answers]

        before, n_embedded = top_ten(), len(ollama.embedded_texts)
        for move in ("there", "back"):
            daemon.stop()
            if move == "there":
                on_s3(daemon, s3, embedder, query_timeout_s=10)  # not about time
            else:
                configure(daemon, {"type": "faiss"}, embedder)
            daemon.start()
            assert top_ten() == before
            assert daemon.store["n_embedded"] == 0
            assert daemon.problems() == []
        assert [text for text in ollama.embedded_texts[n_embedded:] if "in note" in text] == []
        assert len(s3.keys(BUCKET, "notes")) == n_chunks
        assert s3.violations == []


def test_index_from_the_shell_makes_moves_and_keeps_a_store_in_a_bucket(s3: FakeS3Vectors, tmp_path: Path) -> None:
    copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        daemon.configure(stores={})
        there = ("--bucket", BUCKET, "--endpoint-url", s3.url)
        notes = f"{daemon.vault}/**/*.md"
        assert "80 texts embedded" in daemon.run("index", notes, "--store", "shell").stderr
        moved = daemon.run("index", notes, "--store", "shell", *there)
        assert (moved.returncode, " 0 texts embedded" in moved.stderr) == (0, True), moved.stderr
        assert len(s3.keys(BUCKET, "shell")) == 92
        again = daemon.run("index", notes, "--store", "shell")
        assert " 0 texts embedded" in again.stderr
        info = json.loads(daemon.run("store", "info", "shell", *there, "--json").stdout)
        assert (info["vectors"], info["dimension"], len(info["sources"])) == (92, 384, 1)
        assert daemon.run("store", "delete", "shell", *there).returncode == 2, "nobody can be asked"
        assert daemon.run("store", "delete", "shell", *there, "--yes").returncode == 0
        assert daemon.run("store", "info", "shell", *there).returncode == 2
        made = daemon.run("store", "create", "other", *there)
        assert "384-d cosine" in made.stderr
        assert "other" in daemon.run("store", "list", *there).stdout
