"""What was parked and is looked at again: in which order."""

from __future__ import annotations

from tests.unit.sync.test_queue import Queue


def test_of_what_is_released_what_was_saved_goes_before_what_scans_found() -> None:
    dirty = Queue()
    dirty.add([(1, "b.md"), (1, "c.md")])
    dirty.hint(1, "a.md", settle=False)
    assert dirty.is_saved_due()
    taken = dirty.paths() + dirty.paths()
    assert (taken, dirty.is_saved_due()) == (["a.md", "b.md", "c.md"], False)
    dirty.park((1, path) for path in ("b.md", "c.md", "a.md"))
    dirty.release(1)
    assert not dirty.is_saved_due()
    dirty.release()
    assert not dirty.is_saved_due(), "it is found by its words by now"
    assert [dirty.paths(), sorted(dirty.paths()), dirty.n_parked()] == [["a.md"], ["b.md", "c.md"], 0]


def test_what_is_saved_again_after_it_was_parked_is_waited_for_again() -> None:
    dirty = Queue()
    for release_first in (True, False):
        dirty.hint(1, "a.md", settle=False)
        assert dirty.paths() == ["a.md"]
        dirty.park([(1, "a.md")])
        if release_first:
            dirty.release()
        assert not dirty.is_saved_due()
        dirty.hint(1, "a.md", settle=False)
        assert dirty.is_saved_due()
        assert dirty.paths() == ["a.md"]
        dirty.done([(1, "a.md")])


def test_what_a_scan_found_waits_until_it_is_found_by_its_words_and_again_once_a_scan_finds_it_changed() -> None:
    dirty = Queue()
    dirty.add([(1, "a.md")])
    assert dirty.is_any_due()
    assert dirty.paths() == ["a.md"]
    assert dirty.is_any_due(), "a round of it is no end of its wait"
    dirty.park([(1, "a.md")])
    assert not dirty.is_any_due()
    dirty.release()
    assert not dirty.is_any_due(), "it is found by its words by now"
    dirty.add([(1, "a.md")])
    assert (dirty.is_any_due(), dirty.is_saved_due()) == (True, False)
    assert dirty.paths() == ["a.md"]
    dirty.done([(1, "a.md")])
    assert not dirty.is_any_due()
