"""What people see of an answer."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from vragd.cli.query import print_hits
from vragd.cli.render import out

HIT = {
    "source": "Vault", "path": "Go.md", "title": "Go", "heading": ["Google Cloud", "Billing"], "lines": [3, 9],
    "score": 0.61, "text": "long text", "excerpt": "Deploy billing with terraform.", "spans": [[7, 14]], "passages": [],
    "copies": [], "weak": False, "template": False, "parts": None,
}  # fmt: skip


def answer(*hits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"hits": list(hits), "pending": 0, "degraded": [], "n_weak": 0, "instead": {}} | more


def test_only_a_whole_heading_that_repeats_the_title_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_hits(answer(HIT, HIT | {"heading": ["Go", "Billing"]}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1. Go  Google Cloud › Billing  (0.610)"
    assert lines[3] == "2. Go  Billing  (0.610)"
    assert lines[2] == "   Deploy billing with terraform."


def test_what_was_left_out_and_what_stands_in_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_hits(answer(n_weak=3, instead={"restuarant": "restaurant"}))
    said = capsys.readouterr().err
    assert "no good match (3 weak ones with --weak)" in said
    assert "showing results for 'restaurant'" in said
    more = {"passages": [{"lines": [20, 22], "heading": ["Other"]}], "copies": ["b.md", "c.md"], "weak": True}
    print_hits(answer(HIT | more | {"parts": {"ahead": 0.0, "chunk": 0.5, "title": None}}))
    shown = capsys.readouterr().out
    for part in ("(0.610  weak)", "also 20-22 Other", "the same in 2 other places: b.md, c.md", "chunk 0.500"):
        assert part in shown


def test_on_a_terminal_what_matched_is_bold_and_nothing_of_a_note_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    print_hits(answer(HIT | {"excerpt": "\x02 \x1b[31m billing \u202egnp", "spans": [[8, 15]]}))
    out("\x02")
    assert isinstance(sys.stdout, Terminal)
    shown = sys.stdout.getvalue()
    assert "\x1b[1mbilling\x1b[0m" in shown
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown
    assert "\x02" not in shown
