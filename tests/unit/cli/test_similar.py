"""What people see of related notes."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.unit.cli.test_links import file
from vragd.cli.similar import print_related, text_of
from vragd.errors import UsageError


def hit(path: str, *linked: str, **more: Any) -> dict[str, Any]:
    made = {"note": file(path), "score": 0.5, "linked": list(linked), "id": "0abcdefg", "heading": ["Top"]}
    return {**made, "lines": [3, 9], "modified": 0.0, **more}


def test_each_has_its_place_its_id_and_whether_it_is_linked(capsys: pytest.CaptureFixture[str]) -> None:
    hits = [hit("A.md"), hit("B.md", "out"), hit("C.md", "back"), hit("D.md", "out", "back", id="", heading=[])]
    print_related({"hits": hits, "pending": 0, "degraded": []})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1. A.md  Top  (0.500, 19")
    assert lines[1] == "   Vault/A.md:3-9  0abcdefg"
    assert lines[2].endswith(", linked)")
    assert lines[4].endswith(", links here)")
    assert lines[6].endswith(", linked, links here)")
    assert lines[7] == "   Vault/D.md"
    print_related({"hits": [], "pending": 1, "degraded": ["initial_scan"]})
    said = capsys.readouterr().err
    assert all(part in said for part in ("no related notes", "1 path is", "still being looked through"))


@pytest.mark.parametrize(("text", "said"), [(" \n", "there is no text"), ("x" * 40_001, "more than 40,000")])
def test_a_text_that_is_none_or_too_long_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        text_of(io.BytesIO(text.encode()))
