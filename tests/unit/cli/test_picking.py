"""The picker without a terminal: what is shown of an answer, which hit is chosen, what is asked and what is not."""

from __future__ import annotations

import threading
from typing import Any

from tests.harness import until
from vragd.cli.page import HIT, Piece
from vragd.cli.picking import HELP, Asker, Picking, marked_words
from vragd.errors import NoDaemon


def hit(name: str, **more: Any) -> dict[str, Any]:
    return {
        "store": "notes", "source": "Vault", "path": f"{name}.md", "title": name, "heading": [name, "Seen"],
        "lines": [3, 5], "text": f"The {name} was here.\nAnd long ago there.", "excerpt": f"The {name} was",
        "spans": [[4, 4 + len(name)]],
    } | more  # fmt: skip


def answer(*names: str) -> dict[str, Any]:
    return {"hits": [hit(name) for name in names], "n_weak": 0, "pending": 0}


def shown(lines: list[list[Piece]]) -> list[str]:
    return ["".join(piece.text for piece in line) for line in lines]


def picking(*names: str) -> Picking:
    made = Picking("bird")
    made.answered("bird", answer(*names))
    return made


def test_the_chosen_one_moves_within_the_list_and_is_always_shown() -> None:
    names = [f"n{i}" for i in range(10)]
    made = picking(*names)
    assert made.says() == "1 of 10 hits"
    made.move(-1)
    assert made.number == 1
    made.move(7)
    rows = made.rows(4)
    assert [is_chosen for is_chosen, _ in rows].count(True) == 1
    assert len(rows) == 4
    made.move(99)
    assert (made.number, made.chosen and made.chosen["title"]) == (10, "n9")
    assert made.rows(4)[-1][0]


def test_the_chosen_one_stays_chosen_where_the_next_answer_has_it() -> None:
    made = picking("heron", "numbat", "quokka")
    made.move(2)
    made.type("birds")
    assert made.chosen is None, "nothing is opened that is no answer to what is typed"
    made.answered("birds", answer("quokka", "heron"))
    assert made.number == 1
    assert made.chosen is not None
    assert made.chosen["title"] == "quokka"
    made.answered("birds", answer("heron"))
    assert made.number == 1


def test_the_preview_has_the_place_and_the_passage_with_what_matched() -> None:
    lines = picking("heron").preview(40)
    assert shown(lines) == ["heron", "Vault/heron.md:3-5", "Seen", "", "The heron was here.", "And long ago there."]
    assert [piece for piece in lines[4] if piece.style == HIT] == [Piece("heron", HIT)]
    assert shown(picking("heron").preview(12))[5:7] == ["The heron", "was here."], "words stay whole"
    assert Picking().preview(40) == []
    without = Picking("x")
    plain = hit("a", heading=["a"], text="b\x1b[31m")
    del plain["excerpt"]
    without.answered("x", {"hits": [plain]})
    assert shown(without.preview(40)) == ["a", "Vault/a.md:3-5", "", "b<U+001B>[31m"]


def test_words_are_marked_as_words() -> None:
    assert marked_words("an art of artists, art", {"art"}) == [
        Piece("an "), Piece("art", HIT), Piece(" of artists, "), Piece("art", HIT),
    ]  # fmt: skip


def test_it_says_how_it_is() -> None:
    made = Picking()
    assert made.says() == HELP
    made.type("x")
    assert made.says() == "…"
    made.answered("x", {"hits": [], "n_weak": 3})
    assert made.says() == "no good match"
    made.answered("x", {"hits": []})
    assert made.says() == "no hits"
    made.answered("x", answer("a") | {"pending": 2})
    assert made.says() == "1 of 1 hit, 2 still to be indexed"
    made.refused(NoDaemon("no vragd\x1b is running", hint="vragd run"))
    assert made.says() == "no vragd<U+001B> is running (try: vragd run)"
    assert made.chosen is not None, "what was found before is still there"


def test_the_latest_text_is_asked_for_once_and_a_failure_is_told_and_tried_again() -> None:
    made, asked, told = Picking("a"), list[str](), threading.Event()
    down = threading.Event()

    def ask(text: str) -> dict[str, Any]:
        asked.append(text)
        if down.is_set():
            raise NoDaemon("gone")
        return answer(text)

    asker = Asker(made, ask, told.set)
    asker.start()
    assert told.wait(30)
    told.clear()
    for text in ("ab", "abc", "abcd"):
        made.type(text)
        asker.typed()
    assert told.wait(30)
    assert (asked[0], asked[-1], made.chosen and made.chosen["title"]) == ("a", "abcd", "abcd")
    down.set()
    made.type("other")
    asker.typed()
    until(lambda: made.says() == "gone", "the failure to be told")
    down.clear()
    asker.typed()
    until(lambda: made.chosen is not None, "another try")
    made.type("")
    asker.typed()
    until(lambda: made.answer == {"hits": []}, "nothing to be shown where nothing is typed")
    assert "" not in asked
    asker.stop()
