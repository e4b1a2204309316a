"""Links that open what was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from vragd.terms.names import link

ROOT = Path("/home/ada/My Vault")


@pytest.mark.parametrize(
    ("path", "heading", "at"),
    [
        ("a/b.md", ("Top", "In: side"), "a%2Fb%23In%20side"),
        ("plan.canvas", ("Kitchen",), "plan.canvas%23Kitchen"),
        ("paper.pdf", ("Page 7",), "paper.pdf%23page%3D7"),
        ("Paper.PDF", ("Page 7",), "Paper.PDF%23page%3D7"),
        ("deck.pptx", ("Slide 7", "Moss"), "deck.pptx"),
        ("shop.py", ("Shop", "sell"), "shop.py"),
        ("README", ("x",), "README%23x"),
    ],
)
def test_a_link_in_obsidian_opens_the_file_at_what_it_has_places_for(
    path: str, heading: tuple[str, ...], at: str
) -> None:
    found = link(ROOT, path, in_obsidian=True, heading=heading, line=7)
    assert found == f"obsidian://open?path=%2Fhome%2Fada%2FMy%20Vault%2F{at}"


def test_a_link_elsewhere_opens_the_file() -> None:
    found = link(ROOT, "paper.pdf", in_obsidian=False, heading=("Page 7",), line=7)
    assert found == "file:///home/ada/My%20Vault/paper.pdf"
