"""English or not, as far as the choice of a model goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from vragd.search.tongue import Sampled, is_english, share_foreign

ENGLISH = (
    "Grind the coffee coarsely and pour the water slowly over it. Wait for four minutes before you press, or it will"
    " taste of nothing. The first cup is always for whoever made it."
)
FRENCH = (
    "Moudre le café grossièrement et verser l'eau lentement par-dessus. Attendre quatre minutes avant de presser, sinon"
    " il n'aura goût de rien. La première tasse est toujours pour celui qui l'a fait."
)
GERMAN = (
    "Den Kaffee grob mahlen und das Wasser langsam darüber gießen. Vier Minuten warten, bevor man presst, sonst"
    " schmeckt er nach nichts. Die erste Tasse ist immer für den, der ihn gemacht hat, auch mit Docker."
)
CHINESE = "把咖啡磨成粗粉，慢慢倒入热水，等待四分钟后再压下滤网，否则味道会很淡。" * 3
RUSSIAN = (
    "Смолоть кофе грубо и медленно залить водой, подождать четыре минуты и только потом нажать на поршень кофейника."
)


@pytest.mark.parametrize(("text", "english"), [
    (ENGLISH, True), (FRENCH, False), (GERMAN, False), (CHINESE, False), (RUSSIAN, False),
    ("too short", None), ("", None), (f"{CHINESE} with Git and Docker", False), (f"{ENGLISH} 咖啡", True),
])  # fmt: skip
def test_a_text_is_english_or_not_or_too_short(text: str, english: bool | None) -> None:
    assert is_english(text) is english


def test_of_mixed_notes_the_share_is_told() -> None:
    assert share_foreign([ENGLISH, FRENCH, CHINESE, ENGLISH, "short"]) == 0.5
    assert share_foreign(["short"]) == 0.0


def test_a_vault_of_english_notes_is_english() -> None:
    vault = Path(__file__).parents[2] / "vaults/kepano"
    assert share_foreign(note.read_text("utf-8") for note in vault.rglob("*.md")) < 0.2


def test_a_store_is_sampled_again_where_a_tenth_of_it_came_or_went() -> None:
    asked: list[int] = []

    def sample(most: int) -> Sequence[str]:
        asked.append(most)
        return [FRENCH] * 3 if len(asked) == 1 else [ENGLISH]

    store = Sampled()
    assert (store.share(9, sample), asked) == (0.0, []), "too few to say"
    assert [store.share(n, sample) for n in (100, 100, 109, 91)] == [1.0] * 4
    assert len(asked) == 1
    assert (store.share(111, sample), len(asked)) == (0.0, 2)
