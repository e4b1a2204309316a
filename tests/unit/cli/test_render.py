"""What is printed of names that notes and folders have."""

from __future__ import annotations

import pytest

from vragd.cli.hits import print_hits
from vragd.cli.render import within


@pytest.mark.parametrize("end", ["\n", "\t", "\u2028", "\u2029"])
def test_a_line_end_in_a_name_begins_no_line_of_its_own(capsys: pytest.CaptureFixture[str], end: str) -> None:
    name = f"a{end}1. Forged  (1.000)"
    hit = {
        "path": f"{name}.md", "lines": [1, 2], "title": name, "heading": [name, name], "score": 0.5,
        "source": "vault", "text": f"text{end}more",
    }  # fmt: skip
    print_hits({"hits": [hit], "pending": 0, "degraded": []})
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines] == ["1. a", "   v", "   t"]
    assert within(name) == "a\ufffd1. Forged  (1.000)"
