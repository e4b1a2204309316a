"""The queue of paths: tickets that promise no more than they hold, and what is tried again when."""

from __future__ import annotations

import itertools

import pytest

from vragd.sync.queue import MAX_FOLDERS, MAX_HINTS, MAX_PER_FOLDER, DirtyPaths, SourcePath
from vragd.sync.wait import BACK_OFF_LAST_S, TRIES_WAITED_FOR


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Queue(DirtyPaths):
    """With a clock that is turned by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(settle_s=0.25, settle_max_s=10.0, clock=self.clock)

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def paths(self, limit: int = 64) -> list[str]:
        return [path for (_, path), _ in self.take(limit)]


@pytest.fixture
def dirty() -> Queue:
    return Queue()


A: SourcePath = (1, "a.md")


def test_whoever_waits_for_a_scan_waits_for_what_it_found_also_if_a_note_is_saved_meanwhile(dirty: Queue) -> None:
    ticket = dirty.hint(1, "", folder=True, settle=False)
    taken = dirty.take_folder(1)
    assert taken == ("", ticket)
    dirty.hint(1, "other.md")
    dirty.add([A, (1, "b.md")], taken[1])
    dirty.scanned((1, ""))
    assert not dirty.settled(ticket)
    assert set(dirty.paths()) == {"a.md", "b.md"}
    assert not dirty.settled(ticket)
    dirty.done([A, (1, "b.md")])
    assert dirty.settled(ticket)


@pytest.mark.parametrize("earlier", ["hint", "add"])
def test_a_path_that_waits_already_is_waited_for_with_the_older_ticket(dirty: Queue, earlier: str) -> None:
    ticket = dirty.hint(1, "", folder=True, settle=False)
    dirty.take_folder(1)
    if earlier == "hint":
        dirty.hint(1, "a.md")
    else:
        dirty.hint(2, "x.md")
        dirty.add([A])
    dirty.add([A], ticket)
    dirty.scanned((1, ""))
    assert not dirty.settled(ticket)


def test_a_path_put_back_keeps_its_ticket_although_it_was_saved_again_meanwhile(dirty: Queue) -> None:
    ticket = dirty.hint(1, "a.md", settle=False)
    dirty.take(9)
    dirty.hint(1, "a.md")
    assert dirty.pending() == 1, "it counts once"
    dirty.put_back([A], 0)
    dirty.done([A])
    assert not dirty.settled(ticket)
    assert dirty.pending() == 1


def test_a_path_a_scan_had_found_keeps_its_ticket_when_it_is_saved(dirty: Queue) -> None:
    ticket = dirty.hint(1, "", folder=True, settle=False)
    dirty.take_folder(1)
    dirty.add([A], ticket)
    dirty.scanned((1, ""))
    dirty.hint(1, "a.md")
    assert dirty.pending_paths() == [A]
    assert not dirty.settled(ticket)


def test_an_empty_file_is_believed_in_time_however_often_it_is_touched(dirty: Queue) -> None:
    dirty.hint(1, "a.md", settle=False)
    patient = []
    for _ in range(6):
        patient += [is_patient for _, is_patient in dirty.take(9)]
        dirty.hint(1, "a.md")
        dirty.put_back([A], 5.0, patient=False)
        dirty.wait(1.0)
    assert patient == [True] * 5 + [False]


def test_an_empty_file_that_is_written_is_looked_at_as_soon_as_it_settles(dirty: Queue) -> None:
    dirty.hint(1, "a.md", settle=False)
    for _ in range(2):  # the second time it was touched, and empty still
        dirty.take(9)
        dirty.put_back([A], 5.0, patient=False)
        assert dirty.paths() == []
        dirty.hint(1, "a.md")
        dirty.wait(0.25)
    assert dirty.take(9) == [(A, True)]


def test_tickets_of_another_queue_are_never_settled(dirty: Queue) -> None:
    old = dirty.hint(1, "a.md", settle=False)
    dirty.take(9)
    dirty.done([A])
    assert dirty.settled(old)
    for _ in range(1_000):  # the one that follows begins above all of them
        old = dirty.hint(1, "a.md")
    new = Queue()
    assert not new.settled(old)
    assert not new.issued(old)
    assert not dirty.settled(new.ticket() + 1_000_000)
    assert new.settled(new.ticket())
    assert new.ticket() < 2**53, "a whole number in any JSON"


def test_a_saved_note_that_goes_on_in_another_round_stays_before_bulk_work(dirty: Queue) -> None:
    dirty.add([(1, f"b{i}.md") for i in range(1_000)])
    dirty.hint(1, "a.md", settle=False)
    for _ in range(3):
        assert dirty.paths() == ["a.md"]
        dirty.put_back([A], 0)
        dirty.done([A])
    assert dirty.paths() == ["a.md"]
    dirty.done([A])
    assert dirty.paths()[0] == "b0.md"


def test_a_saved_note_that_must_wait_lets_bulk_work_pass_and_then_goes_first(dirty: Queue) -> None:
    dirty.add([(1, f"b{i}.md") for i in range(3)])
    dirty.hint(1, "a.md", settle=False)
    dirty.take(9)
    dirty.put_back([A], 0.2)
    assert dirty.paths(1) == ["b0.md"]
    dirty.wait(0.2)
    assert dirty.paths(1) == ["a.md"]


def test_what_is_put_back_counts_towards_the_bounds_of_hints(dirty: Queue) -> None:
    dirty.hint(1, "f/a.md", settle=False)
    dirty.take(9)
    for i in range(MAX_PER_FOLDER):
        dirty.hint(1, f"f/{i}.md")
    dirty.put_back([(1, "f/a.md")], 0)
    assert dirty.paths() == ["f/a.md"], "there was no room among the hints, it is not lost"
    dirty.hint(1, "f/one-more.md")
    assert dirty.pending() == 1, "the path that is being looked at; and there is a scan of the folder"
    for i in range(MAX_HINTS + 1):
        dirty.hint(2, f"{i}/n.md")
    assert len([place for place in dirty.pending_paths() if place[0] == 2]) <= MAX_HINTS


@pytest.mark.parametrize("hinted_meanwhile", [False, True])
def test_a_file_written_without_end_is_tried_less_and_less_and_nobody_is_kept_waiting(
    dirty: Queue, hinted_meanwhile: bool
) -> None:
    ticket = dirty.hint(1, "a.md", settle=False)
    tries, waits, settled_after = 0, list[float](), 0
    since = dirty.clock.now
    while dirty.clock.now < since + 60:
        if dirty.paths():
            tries += 1
            waits.append(dirty.clock.now)
            if hinted_meanwhile:
                dirty.hint(1, "a.md")
            dirty.put_back([A], 0.2)
            dirty.done([A])
            if not settled_after and dirty.settled(ticket):
                settled_after = tries
        assert dirty.pending_paths() == [A]
        dirty.hint(1, "a.md")  # each write is an event
        dirty.wait(0.05)
    assert settled_after == TRIES_WAITED_FOR
    assert waits[settled_after - 1] - since < 2, "it had settled for as long as it may: the next tries are soon"
    gaps = [b - a for a, b in itertools.pairwise(waits)]
    assert gaps == sorted(gaps), "first soon, then later and later"
    assert BACK_OFF_LAST_S <= gaps[-1] <= 10.1, "as long as it is written it is looked at each settle_max_s"
    assert tries < 15


def test_a_file_that_was_written_without_end_is_looked_at_soon_after_it_is_quiet(dirty: Queue) -> None:
    dirty.hint(1, "a.md", settle=False)
    for _ in range(10):
        while not dirty.paths():
            dirty.wait(0.05)
        dirty.put_back([A], 0.2)
    quiet = dirty.clock.now
    while not dirty.paths():
        dirty.wait(0.05)
    assert dirty.clock.now - quiet <= BACK_OFF_LAST_S + 0.1
    dirty.done([A])
    ticket = dirty.hint(1, "a.md", settle=False)
    dirty.take(9)
    dirty.put_back([A], 0.2)
    assert not dirty.settled(ticket), "it was read once: it is like any other again"


def test_somebody_who_asks_does_not_wait_for_the_next_try(dirty: Queue) -> None:
    dirty.hint(1, "a.md", settle=False)
    for _ in range(8):
        dirty.wait(6.0)
        dirty.take(9)
        dirty.put_back([A], 0.2)
    assert dirty.paths() == []
    dirty.hint(1, "a.md", settle=False)
    assert dirty.paths() == ["a.md"]


def test_a_scan_that_came_to_nothing_is_waited_for_and_tried_again_later_and_later(dirty: Queue) -> None:
    ticket = dirty.hint(1, "", folder=True, settle=False)
    waits = []
    for _ in range(TRIES_WAITED_FOR - 1):
        assert dirty.take_folder(1) == ("", ticket)
        dirty.scan_again((1, ""), 1.0)
        assert dirty.take_folder(1) is None
        assert not dirty.settled(ticket)
        waits.append(dirty.next_folder_in(1))
        dirty.wait(waits[-1] or 0)
    assert waits == [1.0, 2.0, 4.0]
    assert dirty.take_folder(1) is not None
    dirty.scan_again((1, ""), 1.0)
    assert dirty.settled(ticket), "nobody is kept waiting for ever"
    assert dirty.pending() == 1


def test_a_scan_that_came_to_nothing_joins_one_that_was_asked_for_meanwhile(dirty: Queue) -> None:
    ticket = dirty.hint(1, "", folder=True, settle=False)
    dirty.take_folder(1)
    later = dirty.hint(1, "", folder=True, settle=False)
    dirty.scan_again((1, ""), 1.0)
    assert dirty.take_folder(1) == ("", ticket)
    dirty.scanned((1, ""))
    assert dirty.settled(later)


def test_each_source_has_its_own_folders(dirty: Queue) -> None:
    dirty.hint(1, "f", folder=True, settle=False)
    assert dirty.next_folder_in(2) is None
    assert dirty.take_folder(2) is None
    assert dirty.take_folder(1) is not None


def test_one_full_scan_in_place_of_all_that_waits_keeps_the_oldest_ticket(dirty: Queue) -> None:
    ticket = dirty.hint(1, "a.md")
    dirty.add([(1, "b.md"), (2, "c.md")])
    dirty.hint(1, "f", folder=True)
    dirty.gather(1)
    assert dirty.pending_paths() == [(2, "c.md")]
    assert dirty.take_folder(1) == ("", ticket)
    assert not dirty.settled(ticket)
    dirty.scanned((1, ""))
    dirty.take(9)
    dirty.done([(2, "c.md")])
    assert dirty.settled(ticket)


def test_what_has_begun_goes_on_before_what_has_not(dirty: Queue) -> None:
    dirty.add([(1, f"{name}.md") for name in "abcdef"])
    assert dirty.paths(3) == ["a.md", "b.md", "c.md"]
    dirty.put_back([(1, "b.md"), (1, "c.md")], 0, begun=True)
    dirty.put_back([(1, "a.md")], 1.0)
    dirty.wait(2.0)
    assert dirty.paths(9) == ["b.md", "c.md", "d.md", "e.md", "f.md", "a.md"]


def test_what_is_to_go_first_goes_before_all_that_scans_found(dirty: Queue) -> None:
    dirty.add((1, f"{i}.md") for i in range(5))
    dirty.add([(1, "3.md"), (1, "new.md"), (1, "gone.md")], first={"3.md", "gone.md"})
    assert (dirty.paths(), dirty.paths()) == (["3.md", "gone.md"], ["0.md", "1.md", "2.md", "4.md", "new.md"])


def test_what_failed_lets_the_rest_have_its_turn(dirty: Queue) -> None:
    dirty.add([(1, f"{name}.md") for name in "abcdef"])
    dirty.put_back([(1, path) for path in dirty.paths(3)], 0)
    assert dirty.paths(3) == ["d.md", "e.md", "f.md"], "a deletion among them must not wait for an embedder"


def test_a_folder_below_one_that_waits_is_not_scanned_besides(dirty: Queue) -> None:
    dirty.hint(1, "a", folder=True)
    ticket = dirty.hint(1, "a/b/c", folder=True)
    dirty.hint(1, "ab", folder=True)
    dirty.hint(2, "a/b", folder=True)
    dirty.wait(1)
    assert dirty.pending() == 3
    assert dirty.take_folder(1) == ("a", ticket - 1)
    assert not dirty.settled(ticket), "the scan that waited is under way"
    assert dirty.take_folder(1) == ("ab", ticket + 1)
    assert dirty.take_folder(1) is None
    dirty.scanned((1, "a"))
    assert dirty.settled(ticket)


@pytest.mark.parametrize("outer", ["", "a"])
def test_a_folder_to_be_scanned_takes_in_those_below_it_with_the_oldest_ticket(dirty: Queue, outer: str) -> None:
    first = dirty.hint(1, "a/b", folder=True)
    dirty.hint(1, "a/c/d", folder=True)
    last = dirty.hint(1, outer, folder=True)
    dirty.wait(1)
    assert dirty.take_folder(1) == (outer, first)
    assert dirty.take_folder(1) is None
    assert not dirty.settled(first)
    dirty.scanned((1, outer))
    assert dirty.settled(last)


def test_a_folder_hinted_while_one_around_it_is_scanned_is_scanned_afterwards(dirty: Queue) -> None:
    dirty.hint(1, "", folder=True)
    dirty.wait(1)
    dirty.take_folder(1)
    ticket = dirty.hint(1, "a", folder=True)
    dirty.scanned((1, ""))
    dirty.wait(1)
    assert dirty.take_folder(1) == ("a", ticket)


def test_a_folder_does_not_wait_for_one_around_it_whose_scan_failed(dirty: Queue) -> None:
    dirty.hint(1, "", folder=True)
    dirty.wait(1)
    dirty.take_folder(1)
    dirty.scan_again((1, ""), 30)
    ticket = dirty.hint(1, "a", folder=True)
    dirty.wait(1)
    assert dirty.take_folder(1) == ("a", ticket)


def test_whoever_asks_for_a_folder_now_has_the_one_around_it_scanned_now(dirty: Queue) -> None:
    dirty.hint(1, "a", folder=True)
    dirty.hint(1, "a/b", folder=True, settle=False)
    assert dirty.take_folder(1) is not None


def test_folders_without_end_become_the_one_that_all_are_in(dirty: Queue) -> None:
    first = dirty.hint(1, "x/0", folder=True)
    for i in range(MAX_FOLDERS + 10):
        dirty.hint(1, f"x/y {i}/deep", folder=True)
        dirty.hint(2, "x/y", folder=True)
        assert dirty.pending() <= MAX_FOLDERS + 1
    dirty.wait(60)
    assert dirty.take_folder(1) == ("x", first)
    assert dirty.take_folder(1) is None
    assert dirty.take_folder(2) is not None


def test_folders_that_have_nothing_in_common_become_the_whole_source(dirty: Queue) -> None:
    for i in range(MAX_FOLDERS + 1):
        dirty.hint(1, f"{'x' if i % 2 else 'x y'}/{i}", folder=True)
    dirty.wait(60)
    found = dirty.take_folder(1)
    assert found is not None
    assert found[0] == ""


def test_what_is_parked_waits_unsettled_until_it_is_released_or_told_of_again(dirty: Queue) -> None:
    ticket = dirty.hint(1, "a.md", settle=False)
    dirty.add([(1, "b.md"), (1, "c.md"), (1, "d.md")])
    assert dirty.paths() == ["a.md"]
    dirty.park([A])
    assert dirty.paths() == ["b.md", "c.md", "d.md"]
    dirty.park([(1, path) for path in ("b.md", "c.md", "d.md")])
    dirty.done([A])
    dirty.wait(3600.0)
    assert (dirty.paths(), dirty.next_path_in(), dirty.pending(), dirty.n_parked()) == ([], None, 4, 4)
    assert not dirty.settled(ticket)
    dirty.add([(1, "c.md")])
    assert dirty.paths() == ["c.md"]
    dirty.hint(1, "d.md")
    dirty.wait(0.25)
    assert dirty.paths() == ["d.md"]
    dirty.release(1)
    assert dirty.paths() == ["a.md"]
    dirty.release()
    assert dirty.paths() == ["b.md"]
    dirty.done((1, path) for path in ("a.md", "c.md", "d.md"))
    assert not dirty.settled(ticket)
    dirty.done([(1, "b.md")])
    assert dirty.settled(ticket)


def test_what_was_saved_while_it_was_looked_at_is_looked_at_once_more_before_it_is_parked(dirty: Queue) -> None:
    ticket = dirty.hint(1, "a.md", settle=False)
    dirty.take(9)
    dirty.hint(1, "a.md")
    dirty.park([A])
    dirty.wait(0.25)
    assert dirty.paths() == ["a.md"]
    dirty.park([A])
    assert (dirty.paths(), dirty.settled(ticket)) == ([], False)
    dirty.forget_source(1)
    assert dirty.pending() == 0
