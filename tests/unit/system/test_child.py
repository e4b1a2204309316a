"""A process of its own: whatever it does, whoever asked goes on."""

from __future__ import annotations

import io
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.system.child import HEAD, OUT_OF_MEMORY, Child, ChildEnded, serve_on
from vragd.system.confine import NotHere, lower, refuse, used_bytes, watch

pytestmark = pytest.mark.slow


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    child = Child("tests.echo")
    yield child
    child.close()


@pytest.fixture
def confined(child: Child) -> Iterator[Child]:
    confined = Child("tests.echo", "200")
    yield confined
    confined.close()


def ended(child: Child, question: bytes, timeout_s: float = 60, most: int = 1 << 20) -> str:
    with pytest.raises(ChildEnded) as caught:
        child.ask(question, timeout_s, most)
    return caught.value.reason


def ask(child: Child, question: bytes) -> bytes:
    return child.ask(question, 60, 1 << 30)


def test_one_process_answers_many_questions_of_any_length(child: Child) -> None:
    pid = ask(child, b"pid")
    for n in (0, 1, 100_000, 20_000_000):
        assert ask(child, b"say " + bytes(n)) == bytes(n)
    assert ask(child, b"pid") == pid == str(child.pid).encode()


def test_what_is_printed_is_no_answer(child: Child) -> None:
    assert ask(child, b"print me") == b"me"


def test_it_is_given_nothing_of_our_environment_that_it_does_not_need(child: Child) -> None:
    names = ask(child, b"environment").decode().split()
    assert "PATH" in names
    assert "AWS_SECRET_ACCESS_KEY" not in names


def test_one_that_hangs_is_killed_in_time_and_the_next_question_finds_another(child: Child) -> None:
    pid = int(ask(child, b"pid"))
    assert ended(child, b"hang", 0.2) == "too_slow"
    assert child.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert ask(child, b"say more") == b"more"


def test_one_that_dies_is_said_to_have_crashed(child: Child) -> None:
    assert ended(child, b"die") == "crashed"
    assert ask(child, b"say more") == b"more"


def test_one_that_leaves_as_it_is_asked_is_asked_once_more(child: Child) -> None:
    assert ended(child, b"leave") == "crashed"
    assert ask(child, b"say more") == b"more"


def test_an_answer_that_is_too_long_is_not_taken(child: Child) -> None:
    assert ended(child, b"long 5000000", most=1_000) == "too_much_text"


def test_one_that_is_closed_meanwhile_says_so(child: Child) -> None:
    asked: list[str] = []
    thread = threading.Thread(target=lambda: asked.append(ended(child, b"hang")))
    thread.start()
    while child.pid is None:
        time.sleep(0.01)
    child.close()
    thread.join(30)
    assert asked == ["closed"]
    assert child.pid is None


def test_one_that_nobody_asks_ends_and_is_begun_again(child: Child) -> None:
    idle = Child("tests.echo", "500", "0.1")
    pid = ask(idle, b"pid")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and ask(idle, b"pid") == pid:
        time.sleep(0.3)
    assert ask(idle, b"pid") != pid
    idle.close()


def test_one_that_grows_is_ended(confined: Child) -> None:
    assert ended(confined, b"grow") in ("too_much_memory", "crashed")  # by our look, or in an allocation
    assert ask(confined, b"say more") == b"more"


def test_one_is_not_held_to_account_for_what_we_have_grown_to(confined: Child) -> None:
    ours = bytearray(os.urandom(1 << 20) * 260)
    assert ask(confined, b"say more") == b"more"
    time.sleep(0.2)  # long enough for it to have looked
    assert ask(confined, b"say more") == b"more"
    assert len(ours) > 200 << 20


@pytest.mark.parametrize("what", ["network", "name", "program", "fork", "write", "remove"])
def test_a_confined_process_does_not_reach_anything(confined: Child, what: str) -> None:
    assert ask(confined, f"try {what}".encode()) == b"NotHere"
    assert not Path("/tmp/vragd-was-here").exists()


def test_a_confined_process_reads_its_own_modules(confined: Child) -> None:
    assert ask(confined, b"try read") == b"done"


def test_what_is_refused_is_told_by_the_event() -> None:
    for event, args in (("socket.connect", ()), ("subprocess.Popen", ()), ("open", ("/x", "w", os.O_WRONLY))):
        with pytest.raises(NotHere):
            refuse(event, args)
    for event, args in (("open", ("/x", "r", os.O_RDONLY)), ("open", (3, "w", os.O_WRONLY)), ("import", ()),
                        ("open", (os.devnull, "w", os.O_RDWR)), ("open", ("/x",))):  # fmt: skip
        refuse(event, args)


def test_questions_are_answered_in_turn_until_there_are_no_more() -> None:
    asked = io.BytesIO(b"".join(len(one).to_bytes(HEAD, "big") + one for one in (b"a", b"", b"bcd")))
    told = io.BytesIO()
    serve_on(asked, told, lambda question: question * 2, idle_s=60)
    assert told.getvalue() == b"".join(len(one).to_bytes(HEAD, "big") + one for one in (b"aa", b"", b"bcdbcd"))


def test_the_end_comes_when_nobody_asks() -> None:
    ended_with: list[int] = []
    reading, writing = os.pipe()

    def end(status: int) -> None:
        ended_with.append(status)
        os.close(writing)

    with os.fdopen(reading, "rb") as questions:
        serve_on(questions, io.BytesIO(), lambda question: question, idle_s=0.05, end=end)
    assert ended_with == [0]


def test_a_process_ends_itself_when_it_grew_or_is_left_alone() -> None:
    ended_with: list[int] = []
    watch(1, os.getppid(), ended_with.append)
    watch(1 << 50, -1, ended_with.append)
    assert ended_with == [OUT_OF_MEMORY, 0]
    assert 1 << 20 < used_bytes() < 1 << 40


def test_a_limit_is_never_raised_and_one_that_cannot_be_set_is_left() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_CORE, 1 << 30)
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) or before[1] == 0
    lower(10_000, 1)
