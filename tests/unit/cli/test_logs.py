"""What was logged is shown to people in lines they can read, and to programs as it is."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_page import Terminal
from vragd.cli.logged import print_lines, show
from vragd.cli.main import main
from vragd.cli.page import Page

LINE = {
    "error": "DiskFull", "where": ["a.py:1", "b.py:2"], "n": 3, "of": {"a": 1}, "none": None,
    "event": "index.round_failed", "level": "warning", "timestamp": "2026-11-28T19:31:05.123456Z",
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC-1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def printed(*lines: Any, width: int = 0, colours: bool = False) -> str:
    stream = io.StringIO()
    with redirect_stdout(stream):
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        print_lines([f"{text}\n" for text in texts], Page(colours=colours, width=width))
    return stream.getvalue()


def test_a_line_has_the_time_here_the_level_what_happened_and_its_fields() -> None:
    assert printed(LINE) == (
        '2026-11-28 20:31:05 warning index: round failed  error=DiskFull  where=a.py:1, b.py:2  n=3  of={"a": 1}\n'
    )
    assert "\033[1;31mwarning" in printed(LINE, colours=True)
    assert "\033[1;31m" not in printed(LINE | {"level": "info"}, colours=True)


def test_it_fits_the_terminal_and_moves_nothing_there() -> None:
    shown = printed(LINE | {"text": "\033[2J\u202e" + "word " * 40, "more": "a\nb"}, "plain " * 40, width=80)
    assert max(map(len, shown.splitlines())) <= 80
    assert "<U+001B>[2J<U+202E>word" in shown and "\033" not in shown
    assert "more=a b" in shown


@pytest.mark.parametrize(
    "line", ["", "Traceback (most recent call last):", "{", "[1]", "{}", '{"a": 1}', "{" * 100_000, "null"]
)
def test_what_is_no_line_of_ours_is_shown_as_it_is(line: str) -> None:
    assert printed(line) == f"{line}\n"


def test_a_time_that_is_none_and_a_name_without_an_area_are_shown_too() -> None:
    assert printed({"event": "began", "timestamp": "yesterday"}) == "yesterday info began\n"
    assert printed({"event": "began_now"}) == " info began now\n"


def test_the_journals_own_lines_have_its_time_and_ours_have_ours() -> None:
    at = {"__REALTIME_TIMESTAMP": "1795894265000000"}
    assert printed(at | {"MESSAGE": json.dumps(LINE)}).startswith("2026-11-28 20:31:05 warning index: round")
    assert printed(at | {"MESSAGE": "Started vragd."}) == "2026-11-28 20:31:05 Started vragd.\n"
    assert printed(at | {"MESSAGE": list("Grün\xff".encode("latin-1"))}) == "2026-11-28 20:31:05 Gr\ufffdn\ufffd\n"
    assert printed(at | {"MESSAGE": None}) == "2026-11-28 20:31:05 \n"
    assert printed(at | {"MESSAGE": '{"event": "a.b_c"}'}) == "2026-11-28 20:31:05 info a: b c\n"


def logs(tmp_path: Path, *more: str, on_terminal: bool) -> list[str]:
    config = tmp_path / "c.yaml"
    config.write_text(f"stores: {{}}\nlog: {{file: {tmp_path / 'log'}}}\n")
    stream = Terminal() if on_terminal else io.StringIO()
    with redirect_stdout(stream):
        assert main(["logs", "--config", str(config), *more]) == 0
    return stream.getvalue().splitlines()


def test_on_a_terminal_people_are_told_and_elsewhere_programs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = [json.dumps(LINE | {"n": n}) for n in range(3)]
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in said))
    told = logs(tmp_path, "-n", "2", on_terminal=True)
    assert sum(line.startswith("2026-11-28 20:31:05 warning index: round failed") for line in told) == 2
    assert not any(line.startswith("{") for line in told)
    assert capfd.readouterr().out == ""
    for more, on_terminal in (((), False), (("--json",), True)):
        assert logs(tmp_path, "-n", "2", *more, on_terminal=on_terminal) == []
        assert capfd.readouterr().out.splitlines() == said[1:], "by tail itself"


def test_the_status_is_that_of_what_shows_it() -> None:
    stream = Terminal()
    with redirect_stdout(stream):
        assert show(["sh", "-c", "echo one; exit 3"], for_people=True) == 3
        assert show(["sh", "-c", "exit 4"], for_people=False) == 4
        assert show(["sh", "-c", "exec >&-; sleep 0.1; exit 5"], for_people=True) == 5, "it ends by itself"
        for people in (True, False):
            assert show(["sh", "-c", "kill -TERM $$"], for_people=people) == 143
    assert stream.getvalue() == "one\n"


class Gone(Terminal):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_what_goes_on_showing_ends_with_who_reads_it() -> None:
    with redirect_stdout(Gone()), pytest.raises(BrokenPipeError):
        show(["sh", "-c", "echo one; exec sleep 600"], for_people=True)
