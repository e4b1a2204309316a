"""What is shown stays true while notes, sources and the daemon come and go under an open page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.chromium import PLACE, Tab
from tests.page import DONE, TITLES, Shown, showing, well

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium"),
]

TEXT = "document.querySelector('#note > .text').textContent"
PARTS = "[...document.querySelectorAll('#note .part')].map(one => one.textContent)"
FOUND = "document.getElementById('found').textContent"
OFFERED = "[...document.querySelectorAll('#offered button')].map(one => one.textContent)"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with showing(tmp_path_factory.mktemp("page")) as found:
        yield found


def asked(tab: Tab, text: str) -> None:
    tab.js(f"(() => {{ const q = document.getElementById('q'); q.value = {json.dumps(text)};"
           " q.dispatchEvent(new Event('input')); })()")  # fmt: skip
    tab.until(DONE)


def opened(tab: Tab, title: str) -> None:
    tab.until(f"{TITLES}.includes({title!r})")
    tab.js(f"document.querySelectorAll('#list .title')[{TITLES}.indexOf({title!r})].click()")
    tab.until(f"{PARTS}.length > 1")


def test_a_note_that_is_open_says_what_was_saved_since_and_that_it_is_gone(shown: Shown) -> None:
    vault, tab = shown.vragd.vault, shown.tab()
    (vault / "Diver.md").write_text("A diver, seen from the pier. [[Pond]]\n")
    opened(tab, "Diver")
    tab.until(f"{TEXT}.includes('from the pier')")
    tab.js("document.querySelector('#note .part .title').focus()")
    (vault / "Diver.md").write_text("A diver, heard at night. [[Pond]] [[Heron]]\n")
    tab.until(f"{TEXT}.includes('heard at night') && {PARTS}[0].startsWith('Links to (2)')")
    assert tab.js("document.activeElement.textContent") == "Pond", "who was at a link of it with the keyboard still is"
    (vault / "Grebe.md").write_text("As loud as a [[Diver]].\n")
    tab.until(f"{PARTS}.some(one => one === 'Linked from (1)Grebe')")
    (vault / "Diver.md").unlink()
    tab.until(f"{TEXT}.includes('there is no note')")
    assert tab.js(PARTS) == []
    assert tab.js("document.activeElement.id") == "note"
    well(tab, shown)
    tab.close()


def test_a_list_by_folder_has_what_is_saved_and_stays_as_it_was_opened(shown: Shown) -> None:
    vault, tab = shown.vragd.vault, shown.tab(real=True)
    tab.js("document.querySelector('[data-way=all]').click()")
    folders = "[...document.querySelectorAll('#list summary')].map(one => one.firstChild.textContent)"
    tab.until(f"{DONE} && {folders}.includes('Reeds')")
    tab.js(f"document.querySelectorAll('#list summary')[{folders}.indexOf('Reeds')].click()")
    tab.until(f"{TITLES}.includes('Reeds 3')")
    tab.js(f"document.querySelectorAll('#list summary')[{folders}.indexOf('Reeds')].focus()")
    (vault / "Reeds" / "Bittern.md").write_text("A bittern booms.\n")
    tab.until(f"{TITLES}.includes('Bittern')")
    assert tab.js("document.activeElement.firstChild.textContent") == "Reeds"
    (vault / "Reeds" / "Bittern.md").unlink()
    tab.until(f"{TITLES}.includes('Reeds 3') && !{TITLES}.includes('Bittern')")
    asked(tab, "spoonbill")
    (vault / "Spoonbill.md").write_text("A spoonbill.\n")
    tab.until(f"{TITLES}.includes('Spoonbill')")
    well(tab, shown)
    tab.close()


def test_a_note_with_many_links_shows_them_a_hundred_at_a_time(shown: Shown) -> None:
    vault, tab = shown.vragd.vault, shown.tab()
    (vault / "Hub.md").write_text("".join(f"[[Spoke {n}]] " for n in range(250)))
    opened(tab, "Hub")
    rows = "document.querySelectorAll('#note .part li').length"
    tab.until(
        f"{PARTS}.some(one => one.startsWith('Links that lead nowhere (250)') && one.endsWith('100 more of 150'))"
    )
    n = tab.js(rows)
    tab.click("#note .part .more:not([hidden])")
    assert tab.js(rows) == n + 100
    (vault / "Spoken of.md").write_text("Nothing about it.\n")
    tab.until(f"{TITLES}.includes('Spoken of')")
    tab.until("document.querySelector('#note .part .more:not([hidden])').textContent === '50 more of 50'")
    well(tab, shown)
    tab.close()


def test_a_note_that_was_opened_while_the_daemon_was_away_is_there_once_it_is_back(shown: Shown) -> None:
    tab = shown.tab()
    assert shown.vragd.stop() == 0
    try:
        tab.js(f"document.querySelectorAll('#list .title')[{TITLES}.indexOf('Pond')].click()")
        tab.until(f"{TEXT}.includes('no vragd is running')")
        tab.js("document.getElementById('add-filter').click()")
        tab.until("document.getElementById('offered').textContent.includes('no vragd is running')")
    finally:
        shown.vragd.start()
    tab.until(f"{TEXT}.includes('The old pond')")
    well(tab, shown)
    tab.close()


def test_a_source_that_comes_is_offered_and_one_that_went_is_not(shown: Shown) -> None:
    tab, other = shown.tab(), shown.vragd.home / "Other"
    tab.click("#add-filter")
    tab.until(f"{OFFERED}.length > 3")
    tab.key("Escape")
    other.mkdir()
    (other / "Zebra.md").write_text("A zebra at dusk.\n")
    assert shown.vragd.run("store", "create", "other", "--source", str(other)).returncode == 0
    tab.until(f"{TITLES}.includes('Zebra')")
    for source, n in (("Other", "=== 1"), ("Vault", "> 30")):  # of the one or of the other
        tab.click("#add-filter")
        tab.until(f"{OFFERED}.includes('{source}')")
        tab.js(f"document.querySelectorAll('#offered button')[{OFFERED}.indexOf('{source}')].click()")
        tab.until(f"{DONE} && {TITLES}.includes('Zebra') && {TITLES}.length {n}")
    tab.click("#chips .chip + .chip")
    tab.until(f"{DONE} && {FOUND}.startsWith('1 note')")
    assert shown.vragd.run("store", "delete", "other", "--yes").returncode == 0
    asked(tab, "zebra")
    tab.until("document.getElementById('list').textContent.includes('there is no source')")
    assert tab.js(FOUND) == "", "it was said of the answer before"
    tab.click("#chips .chip")
    tab.click("#add-filter")
    tab.until(f"{OFFERED}.length > 3")
    assert "Other" not in tab.js(OFFERED)
    well(tab, shown)
    tab.close()
