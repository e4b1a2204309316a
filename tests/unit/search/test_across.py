"""A passage in another language than the question is a good match by less; one in the same language is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.search.test_rank import FILLER, fill, target
from tests.unit.search.test_tongue import CHINESE, ENGLISH, FRENCH, GERMAN, RUSSIAN
from tests.world import WordEmbedder, World
from vragd.embed.spelling import is_word
from vragd.search.across import Tongue, is_across, of_passage, of_question
from vragd.search.ask import ask
from vragd.search.question import Question

ENGLISH_, OTHER, SCRIPT, UNTOLD = Tongue.ENGLISH, Tongue.OTHER, Tongue.OTHER_SCRIPT, Tongue.UNTOLD
SPANISH = "Apagar las pantallas una hora antes de acostarse y no tomar café después de las cuatro de la tarde."
NEARNESS = 0.3
"""Of what is about bread to a question about bread, as far as the model below goes."""


class Interpreter(WordEmbedder):
    """To whom a text about bread is near in every language, and all others are near to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.dimension = 2_048

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._row(text, NEARNESS) for text in texts])

    def embed_query(self, text: str) -> np.ndarray:
        return self._row(text, 1.0)

    def _row(self, text: str, near: float) -> np.ndarray:
        row = super().embed_query(text)
        row[0] = 0.0
        row /= np.linalg.norm(row)
        if any(word in text.lower() for word in ("bread", "levain", "sourdough", "面包", "хлеб")):
            row *= np.sqrt(1 - near**2)
            row[0] = near
        found: np.ndarray = row.astype(np.float32)
        return found


NOTES = {
    "français.md": f"{FRENCH} Nourrir le levain la veille et le laisser dans la cuisine.",
    "中文.md": "面包要提前一天准备，揉面之后放进冰箱里过夜。",
    "english.md": f"{ENGLISH} Feed the sourdough on the evening before that.",
    "short.md": "Le levain.",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, other=Interpreter())
    fill(world, FILLER | NOTES)
    yield world
    world.store.close()


def found(world: World, text: str, *, multilingual: bool = True) -> set[str]:
    seen = replace(target(world), embed_query=Interpreter().embed_query, multilingual=multilingual, is_word=is_word)
    return {hit.path for hit in ask(seen, Question(text)).hits}


def test_notes_in_other_languages_are_found_by_what_would_be_too_little_in_ones_own(world: World) -> None:
    assert found(world, "how is bread baked") == {"français.md", "中文.md"}
    assert found(world, "bread recipe") == {"français.md", "中文.md"}


def test_a_question_about_something_else_finds_none_of_them(world: World) -> None:
    assert found(world, "how is a diesel engine repaired") == set()


def test_by_a_model_of_english_alone_they_are_not_found(world: World) -> None:
    assert found(world, "how is bread baked", multilingual=False) == set()


def test_a_question_of_whose_language_nothing_is_known_finds_other_scripts_alone(world: World) -> None:
    assert found(world, "zzbreadzz qqrecipeqq") == {"中文.md"}


@pytest.mark.parametrize(("text", "tongue"), [
    (ENGLISH, ENGLISH_), (FRENCH, OTHER), (GERMAN, OTHER), (SPANISH, OTHER), (CHINESE, SCRIPT), (RUSSIAN, SCRIPT),
    ("京都の桜を見に行く", SCRIPT), ("Le levain.", UNTOLD), ("", UNTOLD), ("def run(self): return self.x" * 9, UNTOLD),
    ("Die Miete ist am Ersten fällig, und das Konto ist hier. And for that we have a bank, it is of the town.", UNTOLD),
])  # fmt: skip
def test_a_passage_is_in_a_language_or_nobody_knows(text: str, tongue: Tongue) -> None:
    assert of_passage(text) is tongue


@pytest.mark.parametrize(("text", "tongue"), [
    ("how do I sleep", ENGLISH_), ("bread recipe", ENGLISH_), ("garden", ENGLISH_), ("wie schlafe ich besser", OTHER),
    ("les tomates", OTHER), ("Dieselmotor reparieren", UNTOLD), ("", UNTOLD), ("面包", SCRIPT), ("как спать", SCRIPT),
    ("notes on bread", ENGLISH_), ("kubernetes 部署", UNTOLD), ("2024-05-01", UNTOLD),
])  # fmt: skip
def test_a_question_is_in_a_language_or_nobody_knows(text: str, tongue: Tongue) -> None:
    assert of_question(text, is_word) is tongue


def test_two_languages_differ_where_both_are_known_or_one_is_of_another_script() -> None:
    known = (ENGLISH_, OTHER, SCRIPT)
    assert {(one, two) for one in Tongue for two in Tongue if is_across(one, two)} == {
        (UNTOLD, SCRIPT), *((one, two) for one in known for two in known if one is not two)
    }  # fmt: skip
