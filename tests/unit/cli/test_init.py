"""The configuration that `vragd init` writes."""

from __future__ import annotations

from pathlib import Path

from tests.unit.search.test_tongue import CHINESE, ENGLISH, FRENCH
from vragd.cli.init import S_A_NOTE_OF_WORDS, advice_for, configured, said_of
from vragd.config import load


def test_words_only_writes_a_store_without_a_model(tmp_path: Path) -> None:
    text = configured([tmp_path], "config.yaml", words_only=True)
    (store,) = load.parse(text, "config.yaml").stores.values()
    assert not store.embedder.gives_vectors
    (store,) = load.parse(configured([tmp_path], "config.yaml"), "config.yaml").stores.values()
    assert store.embedder.gives_vectors


def test_how_long_it_takes_is_said_without_a_model(tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.md").write_text("text\n")
    assert said_of(tmp_path).endswith("400 notes, about 10 s to index")
    assert said_of(tmp_path, S_A_NOTE_OF_WORDS).endswith("400 notes, a few seconds to index")


def test_another_model_is_advised_where_many_notes_are_not_english(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(ENGLISH)
    assert advice_for(tmp_path) == []
    (tmp_path / "b.md").write_text(FRENCH)
    (tmp_path / "c.md").write_text(CHINESE)
    first, second = advice_for(tmp_path)
    assert first.startswith("about 67% of the notes are not English")
    assert "vragd models" in second
    assert advice_for(tmp_path / "none") == []
