"""A model chosen in the configuration: the old space answers until the new one is whole, through kills and outages."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.daemon.test_outage import on_ollama
from tests.fakes.ollama import FakeOllama
from tests.harness import Vragd, until, vragd

NOTES = {
    "Espresso.md": "Grind the beans fine and pull a shot in half a minute.",
    "Sourdough.md": "Feed the starter the evening before and bake in a hot oven.",
    "Taxes.md": "Receipts and invoices must be handed in before the end of May.",
    "Knee.md": "The doctor advised swimming instead of running after the surgery.",
    "Walrus.md": "A walrus rests on ice floes in the north.",
}


def by_meaning(daemon: Vragd) -> list[str]:
    """What vectors alone find first, for a question none of whose words are in the note."""
    answer = daemon.query("how is a good cup of coffee made", mode="vector", top_k=len(NOTES))
    assert "semantic_unavailable" not in answer["degraded"]
    return [hit["path"] for hit in answer["hits"]]


def collections(daemon: Vragd) -> list[str]:
    return sorted(folder.name for folder in (daemon.data / "stores/notes/index").iterdir())


def test_the_old_model_answers_until_the_new_space_is_whole(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        for path, text in NOTES.items():
            (daemon.vault / path).write_text(text + "\n")
        daemon.start()
        old = daemon.store["space"]
        fake.hang_word = "walrus"
        on_ollama(fake, daemon)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: [s["space"] for s in daemon.status()["stores"] if s["space"] != old], "the new space")
        until(lambda: any("beans" in text for text in fake.embedded_texts), "a part of it")
        assert "space_rebuilding" in daemon.status()["degraded"]
        assert by_meaning(daemon)[0] == "Espresso.md"
        assert sorted(by_meaning(daemon)) == sorted(NOTES)

        daemon.kill()
        fake.release()
        fake.stop()
        daemon.start(idle=False)
        assert sorted(by_meaning(daemon)) == sorted(NOTES), "with the new model away"
        assert by_meaning(daemon)[0] == "Espresso.md"
        assert len(collections(daemon)) == 2

        fake.hang_word = None
        fake.start()
        until(lambda: not daemon.status()["pending"] and not daemon.status()["degraded"], "the switch", 60)
        asked = len(fake.requests)
        by_meaning(daemon)
        assert len(fake.requests) > asked, "now the new model embeds questions"
        assert len(collections(daemon)) == 1
        assert daemon.problems() == []


def test_a_model_that_is_not_there_leaves_the_old_one_answering(tmp_path: Path) -> None:
    fake = FakeOllama()
    with vragd(tmp_path) as daemon:
        for path, text in NOTES.items():
            (daemon.vault / path).write_text(text + "\n")
        daemon.start()
        daemon.stop()
        on_ollama(fake, daemon)
        daemon.start(idle=False)
        until(lambda: "embedder_unavailable" in daemon.status()["degraded"], "the trouble to be said")
        assert by_meaning(daemon)[0] == "Espresso.md"
        (daemon.vault / "Later.md").write_text("A capybara in the pond.\n")
        daemon.configure()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: not daemon.status()["degraded"], "the model that was left to be taken again", 60)
        until(lambda: daemon.paths("capybara", top_k=1) == ["Later.md"], "the note written meanwhile")
        assert daemon.store["n_embedded"] == 1, "what it had embedded is kept"


def test_a_model_replaced_by_one_of_equal_dimension_is_noticed_by_questions_alone(tmp_path: Path) -> None:
    with FakeOllama() as fake, vragd(tmp_path) as daemon:
        on_ollama(fake, daemon)
        for path, text in NOTES.items():
            (daemon.vault / path).write_text(text + "\n")
        daemon.start()
        old = daemon.store["space"]
        fake.digest = "f" * 64
        until(lambda: daemon.query("walrus", mode="vector") and daemon.store["space"] != old, "the other model", 60)
        until(lambda: not daemon.status()["pending"] and not daemon.status()["degraded"], "the switch", 60)
        assert daemon.paths("a walrus rests on ice floes", mode="vector", top_k=1) == ["Walrus.md"]
        assert daemon.problems() == []
