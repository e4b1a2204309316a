"""How what is asked for is written, and how notes write it: numbers, days, names and paths, words in one or in two."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.search.conftest import target
from tests.world import World
from vragd.search.ask import Question, ask
from vragd.store.idle import while_idle

FILLER = {f"f{i}.md": f"Paragraph {i} about a garden shed with pots, ropes and number {i}." for i in range(30)}


def fill(world: World, notes: dict[str, str]) -> None:
    for path, text in (FILLER | notes).items():
        world.write(path, text)
    world.apply(*FILLER, *notes)
    while while_idle(world.store):
        pass


def paths(world: World, text: str, **asked: object) -> list[str]:
    return [hit.path for hit in ask(target(world), replace(Question(text), **asked)).hits]  # type: ignore[arg-type]


def test_a_number_written_together_finds_its_note_also_beside_other_words(world: World) -> None:
    beside = {f"s{i}.md": f"The server of number {i} answers pings, on the rack of the server." for i in range(60)}
    notes = {
        "Roses.md": "Pruned in March, from 10.20.0.15 on.", "Paint.md": "Tin bought on 2021-06-14, half of it left.",
        "Bulbs.md": "---\nbought: 2020-05-17\n---\nTulips and crocuses.",
    }  # fmt: skip
    fill(world, beside | notes)
    for asked, path in (
        ("server 10.20.0.15", "Roses.md"), ("what is 10.20.0.15 about", "Roses.md"),
        ("server 2021-06-14", "Paint.md"), ("server 2020-05-17", "Bulbs.md"),
    ):  # fmt: skip
        for mode in ("hybrid", "keyword"):
            assert path in paths(world, asked, mode=mode), (asked, mode)
