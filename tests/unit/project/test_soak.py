"""The parts of the soak that judge: a soak that cannot find anything is worth nothing."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.soak.asker import BEHIND_S, GONE_S, Asker, judge
from tests.soak.book import MAX_FILE_BYTES, Book, Link, differences, expected, is_note, walk
from tests.soak.chaos import Deck
from tests.soak.figures import Sample, long_life, same_age, slope
from tests.soak.findings import Findings
from tests.soak.lives import LogTail
from tests.soak.storms import Storms
from tests.soak.texts import TOKEN, note

OLD, NEW = b"# Note\n\nthe old text\n", b"# Note\n\nthe new text\n"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> Book:
    (tmp_path / "Vault").mkdir()
    return Book(tmp_path / "Vault", clock)


def write(book: Book, path: str, data: bytes | None) -> None:
    with book.changing({path: data}):
        if data is None:
            (book.root / path).unlink()
        else:
            (book.root / path).write_bytes(data)


def text_of(data: bytes) -> str:
    return data.decode().strip()


def hit(path: str, data: bytes) -> dict[str, Any]:
    return {"store": "notes", "path": path, "text": text_of(data)}


# -- slopes --------------------------------------------------------------------------------------------


def test_a_slope_is_that_of_the_line_the_points_are_on() -> None:
    line = slope([(t, 200 + t / 3600) for t in range(0, 7200, 30)], small=0.1)
    assert line is not None
    assert (round(line.per_hour, 6), round(line.noise, 6), line.span_s) == (1.0, 0.0, 7170)
    assert not line.within_noise


def test_a_slope_drowned_in_noise_is_none_and_one_above_it_is() -> None:
    rng = random.Random(1)
    noisy = [(t, 200 + rng.gauss(0, 3)) for t in range(0, 600, 30)]
    still = slope(noisy, small=0.0)
    assert still is not None and still.within_noise and still.noise == pytest.approx(3, rel=0.4)
    leaking = slope([(t, value + t * 0.1) for t, value in noisy], small=0.0)
    assert leaking is not None and not leaking.within_noise
    assert leaking.per_hour - still.per_hour == pytest.approx(360)


def test_a_change_too_small_to_matter_is_no_growth_and_too_few_points_are_no_slope() -> None:
    points = [(t, t * 0.001) for t in range(0, 600, 30)]
    assert slope(points, small=1.0).within_noise  # type: ignore[union-attr]
    assert not slope(points, small=0.1).within_noise  # type: ignore[union-attr]
    assert slope(points[:2], small=1.0) is None
    assert slope([(5.0, 1.0)] * 4, small=1.0) is None


def at(moment: float, rss: float, *, life: int = 1, age: float = 0.0, calm: bool = True, fds: int = 40) -> Sample:
    return Sample(moment, life, age, calm, rss, fds, 20, 10.0 + moment / 60, 1.0, 0.1, moment / 60)


def test_a_leak_of_a_long_life_is_seen_whatever_was_before_or_in_between() -> None:
    early = [at(t, 900 - t, life=1) for t in range(0, 300, 30)]
    busy = [at(t, 500, life=2, calm=False) for t in range(305, 900, 5)]
    late = [at(t, 200 + t * 0.1, life=2, fds=40 + t // 100) for t in range(300, 900, 30)]
    lines = long_life(early + busy + late, since=300)
    assert lines["rss_mib"].per_hour == pytest.approx(360)
    assert not lines["rss_mib"].within_noise
    assert not lines["fds"].within_noise
    assert lines["threads"].within_noise
    assert not lines["data_mib"].within_noise, "it grows by a MiB a minute,"
    assert lines["data_net_mib"].within_noise, "all of which is embeddings that are kept"


def test_memory_at_the_same_age_is_compared_over_lives() -> None:
    lives = [
        at(100 * life + age, 100 + age + 20 * life, life=life, age=age) for life in range(5) for age in (5, 10, 20, 25)
    ]
    line = same_age(lives, 12.0, small=1.0)
    assert line is not None
    assert line.per_hour == pytest.approx(20 * 36)
    assert (line.n, line.mean) == (5, pytest.approx(152))
    assert not line.within_noise


# -- what the index must hold ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("a.md", True), ("Deep/er/A.MD", True), ("a.txt", True), ("a.markdown", True), ("a.png", False),
        (".obsidian/a.md", False), ("x/.hidden.md", False), ("a.md~", False), ("a.md.tmp", False), ("4913", False),
        ("a.sync-conflict-20260101-120000-ABCDEFG.md", False),
    ],
)  # fmt: skip
def test_the_soak_knows_what_a_note_is(path: str, is_one: bool) -> None:
    from vragd.vault.ignore import Rules

    assert is_note(path) is is_one
    assert (Rules(("*.md", "*.markdown", "*.txt"), ()).excluded(path) is None) is is_one


def test_the_expected_index_is_that_of_the_files(book: Book) -> None:
    for path, data in {
        "a.md": NEW,
        "no.md": b"---\nvragd: false\n---\nsecret",
        ".x/b.md": NEW,
        "empty.md": b"",
    }.items():
        (book.root / path).parent.mkdir(exist_ok=True)
        (book.root / path).write_bytes(data)
    (book.root / "huge.md").write_bytes(b"x " * MAX_FILE_BYTES)
    (book.root / "link.md").symlink_to("a.md")
    (book.root / "folder").symlink_to(".x")
    assert walk(book.root)["folder"] == Link(".x")
    want = expected(walk(book.root))
    assert want == Counter([("a.md", "a", '["Note"]', 1, 3, text_of(NEW))])
    assert differences(want, want) == []
    (moved,) = [("a.md", "a", '["Note"]', 2, 4, text_of(NEW))]
    assert [path for path, *_ in differences(want, Counter([moved]))] == ["a.md"], "lines count"
    assert [path for path, *_ in differences(want, want + want)] == ["a.md"], "and how often"
    assert [path for path, *_ in differences(want, Counter())] == ["a.md"]


def test_whatever_the_editor_does_the_book_says_what_is_on_the_disk(tmp_path: Path, book: Book) -> None:
    (tmp_path / "outside").mkdir()
    editor = Storms(book, tmp_path / "outside", 7)
    editor.hold.set()  # no waits
    for _ in range(5):
        editor.do("write")
    for kind in (*Storms.kinds, "folder_in", "line_shift"):
        editor.do(kind)
        assert book.tampered() == [], kind
    for i in range(60):
        kind = editor.step()
        assert i % 4 or book.tampered() == [], kind
    assert [kind for kind in Storms.kinds if not editor.counts[kind]] == []


def test_a_hand_in_the_vault_is_seen(book: Book) -> None:
    write(book, "a.md", OLD)
    write(book, "b.md", OLD)
    write(book, "c.md", OLD)
    assert book.tampered() == []
    (book.root / "a.md").write_bytes(NEW)
    (book.root / "b.md").unlink()
    (book.root / "c.md").touch()
    (book.root / "d.md").touch()
    assert [path for path, _ in book.tampered()] == ["a.md", "b.md", "c.md", "d.md"]


# -- answers ---------------------------------------------------------------------------------------------


def kinds(book: Book, data: bytes, late_s: float, *, behind: bool = False, calm_since: float = 0.0) -> list[str]:
    answer = [hit("a.md", data)]
    return [w.kind for w in judge(answer, book, asked_at=1000 + late_s, calm_since=calm_since, behind=behind)]


def test_an_old_version_may_be_answered_for_a_while_and_no_longer(book: Book) -> None:
    write(book, "a.md", OLD)
    write(book, "a.md", NEW)
    assert kinds(book, NEW, 10_000) == []
    assert kinds(book, OLD, GONE_S - 1) == []
    assert kinds(book, OLD, GONE_S + 1) == ["stale"]
    assert kinds(book, OLD, GONE_S + 1, behind=True) == [], "it says so"
    assert kinds(book, OLD, BEHIND_S + 1, behind=True) == ["stale"], "but not for ever"
    assert kinds(book, OLD, GONE_S + 1, calm_since=1010) == [], "it was down meanwhile"
    write(book, "a.md", None)
    assert kinds(book, NEW, GONE_S + 1) == ["ghost"]


def test_what_no_version_ever_held_is_never_right(book: Book, clock: Clock) -> None:
    assert kinds(book, OLD, 0) == ["never_existed"]
    write(book, "b.md", OLD)
    assert kinds(book, OLD, 0) == ["never_existed"], "another note's text"
    write(book, "a.md", OLD)
    write(book, "a.md", NEW)
    clock.now += 50
    book.forget(clock.now)
    assert kinds(book, OLD, 0) == ["never_existed"], "it was compared since"
    assert kinds(book, NEW, 0) == []


def test_a_note_that_changed_is_no_settled_one(book: Book, clock: Clock) -> None:
    write(book, "a.md", OLD)
    clock.now += 10
    moment = clock.now
    assert book.unchanged_since("a.md", moment) == OLD
    clock.now += 10
    write(book, "a.md", OLD)
    assert book.unchanged_since("a.md", moment) == OLD, "touched is not changed"
    with book.changing({"a.md": OLD}):
        assert book.unchanged_since("a.md", moment) is None, "nobody knows what is there right now"
    assert book.unchanged_since("a.md", moment) == OLD
    write(book, "a.md", None)
    assert book.unchanged_since("a.md", moment) is None
    write(book, "a.md", OLD)
    assert book.unchanged_since("a.md", moment) is None, "it was away"


class Answers:
    """A client that gets this answer."""

    def __init__(self, **answer: Any) -> None:
        self.answer = {"hits": [], "degraded": [], "pending": 0, **answer}

    def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.answer


def ask(book: Book, answers: Answers, n: int = 30, **knobs: Any) -> Counter[str]:
    """The kinds of what an asker finds that is answered so."""
    up = threading.Event()
    up.set()
    lives: Any = SimpleNamespace(up=up, n=1, calm_since=0.0, daemon=SimpleNamespace(socket="nowhere"))
    findings = Findings(1)
    asker = Asker(lives, book, findings, ["notes", "far"], 1)
    asker.client = answers  # type: ignore[assignment]
    for name, value in knobs.items():
        setattr(asker, name, value)
    for _ in range(n):
        asker.ask_for_a_settled_note()
        asker.ask_for_anything()
    return Counter(found["kind"] for found in findings.found)


def test_a_settled_note_that_is_not_found_is_forgotten(book: Book, clock: Clock) -> None:
    write(book, "a.md", note(random.Random(1)))
    found = Answers(hits=[{"store": "notes", "path": "a.md", "text": row[-1]} for row in book.expected_rows()])
    assert ask(book, found, checked_at=clock.now + 1) == {}
    assert ask(book, Answers(), checked_at=clock.now + 1) == {"forgotten": 2}, "in either store"
    assert ask(book, Answers(degraded=["source_offline"]), checked_at=clock.now + 1) == {"forgotten": 2}
    assert ask(book, Answers(), checked_at=0.0) == {}, "nothing was compared yet"
    assert ask(book, Answers(), checked_at=clock.now - 1) == {}, "it changed since"
    word = TOKEN.search(note(random.Random(1)))
    assert word is not None
    write(book, "a.md", b"Kept as " + word[0] + b"delta")
    assert ask(book, Answers(), checked_at=clock.now + 1) == {}, "its word is another now"


def test_an_answer_that_does_not_say_what_it_lacks_is_found(book: Book) -> None:
    assert ask(book, Answers(), silent={"far": 1.0}) == {"not_admitted": 2}, "hybrid and vector"
    assert ask(book, Answers(degraded=["semantic_unavailable"]), silent={"far": 1.0}) == {}
    book.away_since = time.monotonic() - 60
    assert ask(book, Answers()) == {"not_admitted": 1}
    assert ask(book, Answers(degraded=["source_offline"])) == {}
    book.away_since = time.monotonic()
    assert ask(book, Answers()) == {}, "a heartbeat may not have come yet"


# -- the rest ----------------------------------------------------------------------------------------------


def test_every_kind_comes_before_any_comes_again() -> None:
    deck = Deck(random.Random(3))
    names = [f"n{i}" for i in range(7)]
    for _ in range(5):
        assert sorted(deck.draw(names) for _ in names) == names


def test_an_error_in_the_log_is_a_finding_also_when_the_log_was_rotated(tmp_path: Path) -> None:
    findings = Findings(1)
    log = tmp_path / "vragd.log"
    tail = LogTail(log, findings, frozenset({"fine.error_expected"}))
    tail.read()
    line = json.dumps({"event": "a.b_done", "level": "info"}) + "\n"
    log.write_text(line * 3 + json.dumps({"event": "fine.error_expected", "level": "error"}) + '\n{"cut')
    tail.read()
    with log.open("a") as file:
        file.write(" short\n" + json.dumps({"event": "x.y_failed", "level": "error"}) + "\n")
    log.rename(tmp_path / "vragd.log.1")
    log.write_text(line)
    tail.read()
    assert tail.events == {"a.b_done": 4, "fine.error_expected": 1, "x.y_failed": 1}
    assert [(found["kind"], found["path"]) for found in findings.found] == [("error_logged", "x.y_failed")]


def test_notes_are_cut_where_their_sections_end() -> None:
    data = note(random.Random(1), 3)
    rows = expected({"a.md": data})
    assert len(rows) >= 3


@pytest.mark.slow
def test_a_run_finds_what_was_planted(tmp_path: Path) -> None:
    soak = [sys.executable, "-m", "tests.soak", "--minutes", "0.2", "--every", "1", "--small", "--backend", "faiss"]
    ran = subprocess.run(
        [*soak, "--seed", "5", "--json", "--plant", "chunks"], capture_output=True, text=True, timeout=100, check=False
    )
    said = json.loads(ran.stdout.splitlines()[-1])
    assert ran.returncode == 1, ran.stderr[-2000:]
    assert not said["ok"]
    assert "catalog_differs" in {found["kind"] for found in said["divergences"]}, said["divergences"]
    kept = Path(said["kept_in"])
    assert (kept / "kept-1" / "data").is_dir(), "to look at"
    shutil.rmtree(kept)
    assert "DIVERGENCE" in ran.stderr
