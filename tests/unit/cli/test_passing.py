"""A line that is there for a moment."""

from __future__ import annotations

import io
from typing import Any

import pytest

from vragd.cli.passing import Passing
from vragd.cli.status import OF_BACKEND
from vragd.cli.sync import Progress, wait
from vragd.errors import VragdError


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


@pytest.mark.timeout(20)
@pytest.mark.parametrize("code", OF_BACKEND)
def test_a_place_that_takes_nothing_until_somebody_acts_is_not_waited_for_for_ever(code: str) -> None:
    trouble = {"code": code, "message": "OpenSearch has next to no disk left", "hint": "make room there"}

    def request(method: str, path: str, body: Any = None) -> dict[str, Any]:
        if method == "GET":
            return {"stores": [{"name": "notes", "trouble": trouble}]}
        return {"done": False, "tickets": body["tickets"], "pending": 3, "degraded": [code]}

    with pytest.raises(VragdError, match="3 paths cannot be indexed now: OpenSearch has") as caught:
        wait(request, request("POST", "/v1/sync", {"tickets": {"notes": 1}}), patience_s=0)
    assert caught.value.hint == "make room there"


@pytest.mark.timeout(20)
def test_a_file_system_that_does_not_answer_is_waited_for_while_anything_else_moves() -> None:
    pending = iter([9, 8, 7, 7])

    def request(method: str, path: str, body: Any = None) -> dict[str, Any]:
        if method == "GET":
            return {"stores": [{"name": "notes", "trouble": None}]}
        return {"done": False, "tickets": body["tickets"], "pending": next(pending), "degraded": ["source_offline"]}

    with pytest.raises(VragdError, match="7 paths cannot be indexed now: a folder is not there, or cannot be looked"):
        wait(request, request("POST", "/v1/sync", {"tickets": {"notes": 1}}), patience_s=0)
    assert next(pending, None) is None
