"""Workers begin with what takes long, each with its share."""

from __future__ import annotations

from tests.dealt import dealt

Item = tuple[str, float]


def order(files: dict[str, list[float]], n_workers: int) -> list[Item]:
    items = [(name, seconds) for name, of_file in files.items() for seconds in of_file]
    found = dealt(items, n_workers, lambda item: item[0], lambda item: item[1])
    assert sorted(found) == sorted(items), "none is lost, none is there twice"
    for name, of_file in files.items():
        assert [seconds for file, seconds in found if file == name] == of_file, "those of a file stay in their order"
    return found


def test_each_piece_begins_with_slow_files_and_ends_with_quick_tests() -> None:
    files = {"quick": [0.0] * 20, "slow": [3.0, 3.0, 0.0], "longest": [9.0], "slower": [2.0, 2.0]}
    found = order(files, 2)
    names = [name for name, _ in found]
    assert names[:13] == ["longest", *["quick"] * 12]
    assert names[13:] == [*["slow"] * 3, *["slower"] * 2, *["quick"] * 8]


def test_a_piece_that_is_too_long_takes_from_nobody() -> None:
    found = order({"many": [1.0] * 8, "one": [0.5], "quick": [0.0]}, 3)
    assert [name for name, _ in found] == ["many"] * 8 + ["one", "quick"]


def test_one_worker_has_all_and_slow_ones_first() -> None:
    assert [name for name, _ in order({"quick": [0.0], "slow": [1.0]}, 1)] == ["slow", "quick"]
