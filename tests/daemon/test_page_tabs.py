"""Several tabs of the page while the process that serves it ends and is there again in its place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chromium import PLACE, Tab
from tests.page import TITLES, Shown, showing, well

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium"),
]

OUT = "!document.getElementById('enter').hidden && document.body.classList.contains('out')"
IN = f"!document.body.classList.contains('out') && {TITLES}.length > 3"


@pytest.fixture
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with showing(tmp_path_factory.mktemp("page")) as found:
        yield found


def again(shown: Shown) -> None:
    """The page ends, and another process has its place: what was a token is none any more."""
    shown.end()
    shown.start("--port", shown.place.rsplit(":", 1)[1].rstrip("/"))


def opened(shown: Shown, address: str) -> Tab:
    tab = shown.browser.tab()
    tab.go(address)
    return tab


def front(shown: Shown, tab: Tab) -> None:
    shown.browser.send("Target.activateTarget", targetId=tab.target)


def test_a_new_tab_is_let_in_by_the_one_that_can_also_where_others_cannot_any_more(shown: Shown) -> None:
    for _ in range(3):
        shown.tab()  # none of them is looked at any more, and knows that the page ended
    again(shown)
    let_in = opened(shown, shown.address)
    let_in.until(IN)
    for _ in range(3):
        tab = opened(shown, shown.place)
        tab.until(f"{IN} || {OUT}")
        tab.until(IN)
        well(tab, shown)


def test_a_tab_of_before_goes_on_with_what_is_open_in_it(shown: Shown) -> None:
    tab = shown.tab()
    tab.js(f"document.querySelectorAll('#list .title')[{TITLES}.indexOf('Pond')].click()")
    tab.until("document.querySelectorAll('#note .part').length > 1")
    before = opened(shown, "about:blank")
    front(shown, before)
    tab.until("document.hidden")
    again(shown)
    opened(shown, shown.address).until(IN)
    (shown.vragd.vault / "Pond.md").write_text("The pond is dry.\n")
    front(shown, tab)
    tab.until("document.querySelector('#note .text')?.textContent.includes('is dry')")
    assert tab.js("document.getElementById('note-title').textContent") == "Pond"
    assert tab.js(IN)
    well(tab, shown)


def test_a_tab_that_was_turned_away_is_let_in_with_the_next(shown: Shown) -> None:
    tab = shown.tab()
    again(shown)
    tab.until(OUT)
    opened(shown, shown.address).until(IN)
    tab.until(IN)
    assert tab.js("document.getElementById('trouble').hidden")
    well(tab, shown)
