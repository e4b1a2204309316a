"""Bulk work in this process: on as many threads as it may take, of which a question takes one."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from vragd.embed.builtin.embedder import MiniLM
from vragd.embed.workers import MOST, Workers
from vragd.system.cores import BEHIND, usable_cores
from vragd.system.power import on_battery

PATIENCE_S = 30


def test_what_is_made_is_in_the_order_of_what_was_given() -> None:
    workers = Workers(3)
    assert workers.each(lambda n: n * n, range(50)) == [n * n for n in range(50)]
    assert workers.each(lambda n: n, []) == []
    workers.close()


@pytest.mark.parametrize("n", [1, 2, 4])
def test_so_many_work_at_once(n: int) -> None:
    workers, met = Workers(n), threading.Barrier(n)
    assert workers.each(lambda _: met.wait(PATIENCE_S) >= 0, range(2 * n)) == [True] * 2 * n
    workers.close()


def test_unless_said_otherwise_there_are_as_many_as_cores_and_one_on_battery() -> None:
    assert Workers(0, battery=lambda: False).most == min(MOST, usable_cores())
    here, saving = threading.current_thread(), Workers(0, battery=lambda: True)
    assert {saving.each(lambda _: threading.current_thread(), range(9))[at] for at in range(9)} == {here}
    met = threading.Barrier(2)
    told = Workers(2, battery=lambda: True)  # whoever says a number has it
    assert told.each(lambda _: met.wait(PATIENCE_S) >= 0, range(2)) == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="a thread alone has no priority there")
def test_all_but_the_callers_own_thread_go_behind_the_rest_of_the_machine() -> None:
    workers, met = Workers(3), threading.Barrier(3)

    def priority(_: int) -> int:
        met.wait(PATIENCE_S)
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert sorted(workers.each(priority, range(3))) == sorted([own, max(own, BEHIND), max(own, BEHIND)])
    workers.close()


def test_a_question_takes_the_place_of_one_and_gives_it_back() -> None:
    workers = Workers(2)
    at_once, most, counting = 0, list[int](), threading.Lock()

    def run(_: int) -> None:
        nonlocal at_once
        with counting:
            at_once += 1
            most.append(at_once)
        time.sleep(0.001)  # another would come in between
        with counting:
            at_once -= 1

    with workers.question():
        workers.each(run, range(20))
    assert max(most) == 1, "a worker went on beside a question"
    met = threading.Barrier(2)
    assert workers.each(lambda _: met.wait(PATIENCE_S) >= 0, range(2)) == [True, True]
    workers.close()


def test_questions_never_take_the_last_place() -> None:
    workers = Workers(1)
    with workers.question(), workers.question():
        assert workers.each(lambda n: n, range(3)) == [0, 1, 2]


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_what_fails_is_raised_and_the_next_work_is_done(bad: int) -> None:
    workers = Workers(2)
    with pytest.raises(ZeroDivisionError):
        workers.each(lambda n: 1 // (n - bad), range(20))
    assert workers.each(lambda n: n, range(20)) == list(range(20))
    workers.close()


def test_what_is_closed_does_what_is_left_by_itself() -> None:
    workers = Workers(3)
    workers.close()
    assert workers.each(lambda n: n, range(5)) == list(range(5))


def test_several_callers_take_turns() -> None:
    workers = Workers(2)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda n: workers.each(lambda m: n * m, range(9)), range(8))) == [
            [n * m for m in range(9)] for n in range(8)
        ]
    workers.close()


def test_a_vector_is_the_same_however_many_work_at_it() -> None:
    texts = [f"note {i} about " + "rain and rivers " * (i * 7 % 40) for i in range(12)] + ["long " * 700]
    one, three = MiniLM(1), MiniLM(3)
    rows = one.embed_documents(texts)
    assert np.array_equal(rows, three.embed_documents(texts))
    assert np.array_equal(rows[-1], three.embed_query(texts[-1]))
    one.close()
    three.close()


def test_a_battery_counts_while_it_is_used_up_and_is_the_machines(tmp_path: Path) -> None:
    assert not on_battery(tmp_path / "none")

    def supply(name: str, **said: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        for key, value in said.items():
            (tmp_path / name / key).write_text(f"{value}\n")

    supply("AC", type="Mains", online="0")
    supply("mouse", type="Battery", scope="Device", status="Discharging")
    supply("BAT0", type="Battery", status="Charging")
    assert not on_battery(tmp_path)
    supply("BAT0", status="Discharging")
    assert on_battery(tmp_path)
