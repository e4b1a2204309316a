"""Who uses the keyboard alone is never put back to the beginning of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import PLACE
from tests.page import ACTIVE, DONE, TITLES, Shown, showing, well

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium"),
]

N_FILES = "document.querySelectorAll('#files-list li').length"
FILES = "[...document.querySelectorAll('#files-list .title')].map(one => one.textContent)"


def moths(vault: Path) -> None:
    (vault / "Moths").mkdir()
    for at in range(130):
        (vault / "Moths" / f"Moth {at:03}.md").write_text(f"Moth number {at}.")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with showing(tmp_path_factory.mktemp("page"), moths) as found:
        yield found


def test_a_note_that_was_opened_from_the_files_is_closed_to_the_box(shown: Shown) -> None:
    tab = shown.tab()
    tab.js("document.querySelector('nav [data-view=files]').click()")
    tab.until(f"{FILES}.includes('Moths/Moth 001.md')")
    tab.js(f"document.querySelectorAll('#files-list .title')[{FILES}.indexOf('Moths/Moth 001.md')].focus()")
    tab.key("Enter")
    tab.until("document.querySelectorAll('#note .part').length > 1")
    tab.key("Escape")
    tab.until("document.getElementById('note').hidden && document.activeElement.id === 'q'")
    well(tab, shown)
    tab.close()


def test_files_stay_as_they_were_looked_at_while_others_are_saved(shown: Shown) -> None:
    tab = shown.tab()
    tab.js("document.querySelector('nav [data-view=files]').click()")
    tab.until("document.querySelector('#files-list .more')?.checkVisibility()")
    tab.js("document.querySelector('#files-list .more').focus()")
    tab.key("Enter")
    tab.until(f"{ACTIVE} === 'Moths/Moth 100.md'")
    n = tab.js(N_FILES)
    (shown.vragd.vault / "Moths" / "Moth 050 b.md").write_text("One more of them.")
    tab.until(f"{FILES}.includes('Moths/Moth 050 b.md')")
    assert tab.js(N_FILES) >= n
    assert tab.js(ACTIVE) == "Moths/Moth 100.md"
    tab.js("document.querySelector('[data-state=indexed]').focus()")
    (shown.vragd.vault / "Moths" / "Moth 050 c.md").write_text("And another one.")
    tab.until(f"{FILES}.includes('Moths/Moth 050 c.md')")
    assert tab.js(ACTIVE).startswith("Indexed")
    well(tab, shown)
    tab.close()


def test_more_that_was_found_goes_on_at_the_first_of_it(shown: Shown) -> None:
    tab = shown.tab()
    tab.type("moth number")
    tab.until(f"{DONE} && {TITLES}.length === 30")
    tab.js("document.querySelector('#list > .more').focus()")
    tab.key("Enter")
    tab.until(f"{DONE} && {TITLES}.length === 60 && {ACTIVE} === {TITLES}[30]")
    well(tab, shown)
    tab.close()


def test_a_folder_of_many_and_a_note_that_went_keep_the_place(shown: Shown) -> None:
    tab = shown.tab()
    tab.js("document.querySelector('[data-way=all]').click()")
    tab.until(f"{TITLES}.length === 100")
    tab.js("document.querySelector('#list details .more').focus()")
    tab.key("Enter")
    tab.until(f"{TITLES}.length > 129 && {ACTIVE} === {TITLES}[100]")
    at = tab.js(f"{TITLES}[101]")
    (shown.vragd.vault / "Moths" / f"{tab.js(ACTIVE)}.md").unlink()
    tab.until(f"{ACTIVE} === {at!r} && {TITLES}[100] === {at!r} && {TITLES}.length > 128")
    well(tab, shown)
    tab.close()
