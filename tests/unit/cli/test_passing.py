"""A line that is there for a moment."""

from __future__ import annotations

import io

from vragd.cli.passing import Passing
from vragd.cli.sync import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_written_over_and_gone_in_the_end() -> None:
    stream = Terminal()
    line = Passing(stream)
    line.end()
    assert stream.getvalue() == "", "nothing was shown"
    line.show("one")
    line.show("two")
    line.end()
    line.end()
    assert stream.getvalue() == "\r\033[Kone\r\033[Ktwo\r\033[K"


def test_nothing_is_shown_elsewhere() -> None:
    stream = io.StringIO()
    line = Passing(stream)
    line.show("one")
    line.end()
    assert stream.getvalue() == ""


def test_how_long_the_rest_takes_is_what_the_daemon_says() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.show({"pending": 0})
    progress.show({"pending": 100, "left_s": None})
    progress.show({"pending": 50, "left_s": 12.0})
    progress.end()
    assert stream.getvalue().split("\r\033[K") == [
        "", f"[{'.' * 30}] 0 of 100", f"[{'#' * 15}{'.' * 15}] 50 of 100, about 12 s left", "",
    ]  # fmt: skip
