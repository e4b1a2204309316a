"""What an answer may lack is said in words; programs are told codes."""

from __future__ import annotations

import pytest

from vragd.cli.reasons import NO_DAEMON, REASONS, in_words, say_behind


def test_each_reason_is_one_line_of_words() -> None:
    for code, line in REASONS.items():
        assert len(f"  note: {line}") <= 80, code
        assert code not in line


def test_a_reason_of_a_newer_daemon_is_told_by_its_code_and_each_once() -> None:
    assert in_words(["moon_full", "moon_full", "disk_full"]) == ["moon_full", REASONS["disk_full"]]


def test_the_model_is_not_blamed_for_an_index_that_cannot_be_asked() -> None:
    assert in_words(["semantic_unavailable", "backend_unavailable"]) == [REASONS["backend_unavailable"]]
    assert in_words(["semantic_unavailable"]) == [REASONS["semantic_unavailable"]]


@pytest.mark.parametrize(("code", "way_out"), [("disk_full", "vragd status says more."), (NO_DAEMON, "Start it with")])
def test_what_is_behind_is_said_with_the_way_out(code: str, way_out: str, capsys: pytest.CaptureFixture[str]) -> None:
    say_behind({"pending": 1, "degraded": [code]})
    first, second, third = capsys.readouterr().err.splitlines()
    waits = "" if code == NO_DAEMON else "; vragd sync --wait waits for it"
    assert first == f"note: 1 file is still to be indexed{waits}"
    assert second == f"note: {REASONS[code]}"
    assert third.startswith(way_out)


def test_nothing_is_said_of_an_answer_that_lacks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say_behind({"pending": 0, "degraded": []})
    assert capsys.readouterr().err == ""
