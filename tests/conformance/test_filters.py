"""
Filters beside words, on every backend: what passes is what a reader of the raw files says, before the best are taken.

The vectors are asked of the backend, however few notes pass, and the words of a note stand in several of its passages.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conformance.factories import FACTORIES, REAL
from tests.oracle import Oracle
from tests.world import WordEmbedder
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.search.ask import Place, Target, ask
from vragd.search.asking import understood
from vragd.search.grammar.parse import parse
from vragd.search.grammar.show import show
from vragd.search.grammar.tree import (
    And,
    Compared,
    Node,
    Not,
    Null,
    Or,
    Pattern,
    Phrase,
    Property,
    Scope,
    Tag,
    Within,
    Word,
)
from vragd.store.opening import open_store
from vragd.sync.prepared import Visit

pytestmark = pytest.mark.slow

SEED, N_NOTES, N_TREES, SECTION_WORDS = 20_260_401, 30, 20, 120
WORDS = ["ant", "bee hive", "Bär", "cow-bell", "x1y", "猫舍", "dove", "eel"]
TAGS = ["ant", "ant/bee", "Bär", "dove"]
FEW, ALL = 3, 1_000


def a_note(rng: random.Random, number: int) -> str:
    """Three sections, each a passage or more, with a word that is asked for in a few of them."""
    front: dict[str, object] = {"number": number}
    front |= {"p": rng.choice([None, 3, 7, "ant", ["bee hive", "dove"], [], "", True])} if rng.random() < 0.7 else {}
    front |= {"tags": rng.sample(TAGS, rng.randrange(3))} if rng.random() < 0.5 else {}
    parts = ["---\n" + yaml.safe_dump(front, allow_unicode=True) + "---\n"]
    for section in range(3):
        said = [f"w{rng.randrange(500)}" for _ in range(SECTION_WORDS)]
        for word in rng.sample(WORDS, rng.randrange(3)):
            said.insert(rng.randrange(len(said)), word)
        parts.append(f"## {rng.choice(WORDS)} {section}\n\n{' '.join(said)} n{number}s{section}\n\n")
        if rng.random() < 0.4:
            parts.append(f"- [{rng.choice(' x')}] {rng.choice(WORDS)} {rng.choice(WORDS)}\n\n")
        if rng.random() < 0.3:
            parts.append(f"#{rng.choice(TAGS)} at the end\n\n")
    return "".join(parts)


def a_tree(rng: random.Random, depth: int = 3) -> Node:
    """A tree of filters as `parse` gives them."""
    if depth and rng.random() < 0.6:
        parts = [a_tree(rng, depth - 1) for _ in range(rng.randrange(2, 4))]
        made: Node = rng.choice([And, Or])(tuple(parts))
        return Not(made) if rng.random() < 0.3 else made
    word = rng.choice(WORDS)
    text = Phrase(word) if " " in word else Word(word)
    compared = Compared(rng.choice(["=", "!=", "<", ">=", ">"]), rng.choice(["5", "ant", "20"]))  # type: ignore[arg-type]
    asked = rng.choice([None, Null(), Not(Null()), Or((Null(), text)), text, compared])
    leaf: Node = rng.choice([
        text, Phrase(word), Pattern(rng.choice(["an?t\\b", "b[eä]", "n1\\d*s2"])), Tag(rng.choice(TAGS)),
        Property(rng.choice(["p", "number", "nothing"]), asked), Within(rng.choice(list(Scope)), text),
        Within(Scope.SECTION, And((text, Word("w4")))), Within(Scope.LINE, And((Word("w1"), Not(text)))),
    ])  # fmt: skip
    return Not(leaf) if rng.random() < 0.25 else leaf


class Asked:
    """A store on notes, whose vectors one backend has, and the same notes as raw files."""

    def __init__(self, home: Path, backend_name: str) -> None:
        self.vault, self.embedder = home / "vault", WordEmbedder()
        self.vault.mkdir()
        source = SourceSettings(path=self.vault)
        self.backend = (FACTORIES | REAL)[backend_name](home)
        self.store = open_store(
            "sss", StoreSettings(sources=(source,)), home / "store", LimitSettings(min_free_mib=0),
            lambda: self.embedder, make_backend=lambda *_: self.backend,
        )  # fmt: skip
        (self.source,) = self.store.sources.values()
        self.store.connect(self.source)
        self.store.prepare()

    def look(self) -> None:
        visits = [Visit(self.source, path, patient=False) for path in self.store.scan_source(self.source)[0]]
        while visits:
            visits = self.store.apply(visits).deferred

    def files(self) -> list[Oracle]:
        """The raw files, as they are now."""
        return [Oracle(path.relative_to(self.vault).as_posix(), path.read_text()) for path in self.vault.rglob("*.md")]

    def found(self, text: str, tree: Node, top_k: int, **more: str) -> set[str]:
        """What is answered to words beside the filter as it is typed."""
        places = {self.source.label: Place(self.source.uid, self.vault, in_obsidian=False)}
        made, embeds = self.store, self.embedder.embed_query
        target = Target("sss", made.reader, made.backend, made.space, embeds, places)
        question = understood(text=text, where=show(tree), weak=True, exact=True, top_k=top_k, **more)
        answer = ask(target, question, exact_chunks=0)
        assert not answer.degraded
        return {hit.path for hit in answer.hits}


@pytest.fixture
def asked(tmp_path: Path, backend_name: str) -> Iterator[Asked]:
    made, rng = Asked(tmp_path, backend_name), random.Random(SEED)
    for i in range(N_NOTES):
        (made.vault / f"{'Ant' if i % 2 else 'Cow'}").mkdir(exist_ok=True)
        (made.vault / f"{'Ant' if i % 2 else 'Cow'}" / f"n{i} dove.md").write_text(a_note(rng, i))
    made.look()
    yield made
    made.store.close()


def drawn(n: int) -> list[Node]:
    """Trees as they are read, some of which leave something."""
    rng = random.Random(SEED + 1)
    return [parse(show(a_tree(rng))) for _ in range(n)]


def test_beside_words_filters_leave_what_the_raw_files_say(asked: Asked) -> None:
    assert len(asked.store.catalog.live_keys(asked.store.space.id)) >= 3 * N_NOTES  # type: ignore[union-attr]
    files = asked.files()
    for number, tree in enumerate(drawn(N_TREES)):
        text, passing = f"{WORDS[number % len(WORDS)]} w7", {file.path for file in files if file.passes(tree)}
        assert asked.found(text, tree, ALL) == passing, show(tree)
        few = asked.found(text, tree, FEW)
        assert (len(few), few <= passing) == (min(FEW, len(passing)), True), show(tree)
        if number % 5 == 0:  # which no backend is asked; the word is in every name
            assert asked.found("dove", tree, ALL, mode="keyword") == passing, show(tree)


def test_what_filters_leave_changes_with_the_files_and_nothing_is_embedded(asked: Asked) -> None:
    rng, files = random.Random(SEED + 2), sorted(asked.vault.rglob("*.md"))
    for i, path in enumerate(rng.sample(files, N_NOTES // 2)):
        _, _, body = path.read_text().split("---\n", 2)
        path.write_text(f"---\np: {['ant', '', 7][i % 3]}\ntags: [{TAGS[i % len(TAGS)]}]\n---\n{body}")
        if i % 4 == 0:
            path.rename(path.parents[1] / f"moved {i} dove.md")
    n_embedded = len(asked.embedder.texts)
    asked.look()
    assert len(asked.embedder.texts) == n_embedded
    files = asked.files()
    for tree in drawn(N_TREES):
        assert asked.found("dove w7", tree, ALL) == {file.path for file in files if file.passes(tree)}, show(tree)
