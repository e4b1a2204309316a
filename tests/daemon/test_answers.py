"""Pages of hits, several texts at once, scores that are too low, what was just saved, and other programs' formats."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Vragd, vragd
from vragd.errors import UsageError

TOPICS = {
    "Walrus.md": "A walrus rests on the ice of the cold sea.",
    "Bread.md": "# Bread [white]\n\nSourdough needs flour, water and a hot oven.",
    "Bicycle.md": "The chain of the bicycle must be oiled.",
}
N_LOGS = 12


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    with vragd(tmp_path_factory.mktemp("answers")) as daemon:
        for path, text in TOPICS.items():
            (daemon.vault / path).write_text(text)
        for n in range(N_LOGS):
            (daemon.vault / f"log {n:02}.md").write_text(f"The harbour log number {n} tells of wind {n}.\n")
        daemon.start()
        yield daemon


def shown(daemon: Vragd, *args: str) -> str:
    done = daemon.run("query", *args)
    assert done.returncode == (0 if done.stdout else 1), done.stderr
    return done.stdout


def test_pages_follow_each_other_without_a_gap(daemon: Vragd) -> None:
    whole = daemon.paths("harbour log", top_k=N_LOGS, mode="keyword")
    assert len(whole) == N_LOGS
    pages = [daemon.paths("harbour log", top_k=5, offset=offset, mode="keyword") for offset in (0, 5, 10)]
    assert [path for page in pages for path in page] == whole
    listed = daemon.paths("file:log", top_k=1_000, sort="name")
    assert listed == sorted(whole)
    assert daemon.paths("file:log", top_k=4, offset=6, sort="name") == listed[6:10]
    assert daemon.paths("harbour log", top_k=5, offset=1_000) == []
    assert "6. " in shown(daemon, "harbour log", "-n", "2", "--offset", "5")


@pytest.mark.parametrize("wrong", [{"offset": -1}, {"offset": 1_001}, {"top_k": 1_001}])
def test_a_page_that_is_too_far_is_refused(daemon: Vragd, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is"):
        daemon.query("harbour", **wrong)


def test_of_several_texts_a_note_has_the_best_of_its_scores(daemon: Vragd) -> None:
    texts = ["walrus on the ice", "sourdough with a hot oven"]
    apart = [daemon.query(text, top_k=10, weak=True, mode="keyword")["hits"] for text in texts]
    best: dict[str, float] = {}
    for hit in [*apart[0], *apart[1]]:
        best[hit["path"]] = max(best.get(hit["path"], -1.0), hit["score"])
    together = daemon.query("", texts=texts, top_k=10, weak=True, mode="keyword")["hits"]
    assert {hit["path"] for hit in together[:2]} == {"Walrus.md", "Bread.md"}
    assert all(hit["score"] == pytest.approx(best[hit["path"]], abs=1e-4) for hit in together)
    assert len({hit["path"] for hit in together}) == len(together)
    assert "oiled" in next(hit["excerpt"] for hit in daemon.query("walrus", texts=["bicycle"])["hits"][:2]
                           if hit["path"] == "Bicycle.md")  # fmt: skip
    assert {"Walrus.md", "Bicycle.md"} <= set(
        shown(daemon, "walrus", "--also", "bicycle", "--format", "json").split('"')
    )


def test_several_vectors_are_asked_as_one(daemon: Vragd) -> None:
    axes = [[float(at == axis) for at in range(384)] for axis in (0, 1)]
    apart = [daemon.query("", vector=axis, mode="vector", weak=True, top_k=20)["hits"] for axis in axes]
    together = daemon.query("", vectors=axes, mode="vector", weak=True, top_k=20)["hits"]
    assert together[0]["score"] == max(hits[0]["score"] for hits in apart)


def test_no_hit_has_less_than_the_score_that_is_asked_for(daemon: Vragd) -> None:
    every = daemon.query("walrus ice", top_k=20, weak=True, mode="keyword")["hits"]
    least = every[0]["score"] - 0.01
    assert [hit["path"] for hit in every if hit["score"] >= least] == daemon.paths(
        "walrus ice", weak=True, mode="keyword", min_score=least
    )
    assert daemon.paths("walrus", min_score=2) == []
    with pytest.raises(UsageError, match="no score"):
        daemon.query("tag:x", min_score=0.5)


def test_what_was_just_saved_is_in_a_fresh_answer(daemon: Vragd) -> None:
    for n in range(3):
        (daemon.vault / "New.md").write_text(f"The zebra of round {n} runs: zebra{n}.\n")
        hits = daemon.query(f"zebra{n}", mode="keyword", fresh_s=25)["hits"]
        assert [hit["path"] for hit in hits] == ["New.md"]
        assert f"zebra{n}" in hits[0]["text"]
    (daemon.vault / "New.md").unlink()
    assert "New.md" not in shown(daemon, "zebra2", "--mode", "keyword", "--fresh", "--format", "paths")


def test_each_format_is_what_its_programs_read(daemon: Vragd) -> None:
    asked = ("sourdough in the oven", "-k", "1")
    (hit,) = json.loads(shown(daemon, *asked, "--json"))["hits"]
    assert [json.loads(line) for line in shown(daemon, *asked, "--format", "jsonl").splitlines()] == [hit]
    (row,) = csv.DictReader(shown(daemon, *asked, "--format", "csv").splitlines())
    expected: dict[str, Any] = {"path": "Bread.md", "title": hit["title"], "id": hit["id"], "line_from": "1"}
    assert {name: row[name] for name in expected} == expected
    assert float(row["score"]) == hit["score"]
    assert time.strptime(row["modified"][:19], "%Y-%m-%dT%H:%M:%S")
    first, second = shown(daemon, *asked, "--format", "md").splitlines()
    assert first == f"1. [Bread › Bread \\[white\\]]({hit['uri']})"
    assert second.startswith("   > ")
    assert shown(daemon, *asked, "--format", "paths").splitlines() == [str(daemon.vault / "Bread.md")]
    assert hit["file"] == str(daemon.vault / "Bread.md")


def test_a_path_is_there_once_however_many_passages_of_it_are_found(daemon: Vragd) -> None:
    (daemon.vault / "Long.md").write_text("\n\n".join(f"# Part {n}\n\n{'the heron waits ' * 80}" for n in range(4)))
    done = daemon.run("query", "heron", "--chunks", "--fresh", "--format", "paths", "-n", "9")
    assert done.stdout.splitlines() == [str(daemon.vault / "Long.md")]
    done = daemon.run("query", "file:nowhere", "--format", "csv")
    assert done.stdout.splitlines() == [done.stdout.strip()], "the names of the columns alone"
    assert "no hits" in done.stderr
