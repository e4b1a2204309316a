"""What an answer says of its hits beside them: how many match, and the day that each says it is of."""

from __future__ import annotations

from tests.unit.search.conftest import target
from tests.world import World
from vragd.search.ask import Answer, ask
from vragd.search.asking import understood


def written(world: World, notes: dict[str, str]) -> None:
    for path, text in notes.items():
        world.write(path, text)
    world.apply(*notes)


def days(answer: Answer) -> dict[str, str | None]:
    return {hit.path: hit.date for hit in answer.hits}


def test_of_filters_alone_it_is_said_exactly_how_many_notes_pass(world: World) -> None:
    written(world, {f"Red/{n}.md": "alpha" for n in range(9)} | {"other.md": "alpha"})
    answer = ask(target(world), understood(text="path:Red/", top_k=2))
    assert (len(answer.hits), answer.n_found, answer.found_all) == (2, 9, True)


def test_of_words_it_is_said_how_many_notes_match_and_whether_there_may_be_more(world: World) -> None:
    written(world, {f"{n}.md": f"alpha {n}" for n in range(4)} | {"other.md": "something else"})
    few = ask(target(world), understood(text="alpha", mode="keyword", top_k=2))
    assert (len(few.hits), few.n_found, few.found_all) == (2, 4, True)
    written(world, {f"{n}.md": f"alpha {n}" for n in range(40)})
    many = ask(target(world), understood(text="alpha", mode="keyword", top_k=2))
    assert (len(many.hits), many.n_found >= 4, many.found_all) == (2, True, False)


def test_the_day_of_a_hit_is_the_one_by_which_dates_find_it(world: World) -> None:
    said = {
        "said.md": "date: 2024-01-02", "at.md": "date: 2024-01-02T23:30", "both 2023-05-06.md": "date: 2024-01-02",
        "named 2023-05-06.md": "a: b", "other.md": "date: some day", "none.md": "a: b",
    }  # fmt: skip
    written(world, {path: f"---\n{lines}\n---\nalpha in {path}" for path, lines in said.items()})
    found = days(ask(target(world), understood(text="alpha", mode="keyword", top_k=9)))
    assert found == {
        "said.md": "2024-01-02", "at.md": "2024-01-02", "both 2023-05-06.md": "2024-01-02",
        "named 2023-05-06.md": "2023-05-06", "other.md": None, "none.md": None,
    }  # fmt: skip
    listed = days(ask(target(world), understood(text="on:2024-01-02", top_k=9)))
    assert listed == {path: day for path, day in found.items() if day == "2024-01-02"}, "without a word, too"


def test_a_folder_that_is_not_there_is_named_with_the_nearest_also_behind_path(world: World) -> None:
    written(world, {"posts/a.md": "trust", "thoughts/b.md": "trust"})
    (unknown,) = ask(target(world), understood(text="trust path:post/")).unknown
    assert (unknown.kind, unknown.name, unknown.nearest) == ("folder", "post", "posts")
    assert ask(target(world), understood(text="trust path:posts/")).unknown == ()
    assert ask(target(world), understood(text="trust path:post")).unknown == (), "a part of a path is no folder"


def test_what_two_misspelt_words_stand_for_is_said_where_there_is_no_good_match(world: World) -> None:
    written(world, {"Digital Gardening.md": "Tending digital plots by gardening in public.", "other.md": "apples"})
    answer = ask(target(world), understood(text="digtal gardning"))
    assert answer.instead == {"digtal": "digital", "gardning": "gardening"}
    assert ask(target(world), understood(text="qqqq zzzz")).instead == {}
