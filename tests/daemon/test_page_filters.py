"""What the page's chips narrow an answer to, where two sources have a folder of one name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chromium import PLACE, Tab, chromium
from tests.harness import Vragd
from tests.page import DONE, TITLES, Shown, some, well

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium"),
]

OFFERED = "[...document.querySelectorAll('#offered button')].map(one => one.textContent)"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    home = tmp_path_factory.mktemp("page")
    vragd, other = Vragd(home), home / "Other"
    (other / "Reeds").mkdir(parents=True)
    for at in range(6):
        (other / "Reeds" / f"Warbler {at}.md").write_text(f"A reed warbler, the {at}th.")
    some(vragd.vault)
    vragd.configure(stores={"notes": {"sources": [{"path": str(vragd.vault)}, {"path": str(other)}]}})
    try:
        vragd.start()
        with chromium(home / "profile") as browser:
            found = Shown(vragd, browser, f"{TITLES}.length > 3")
            try:
                yield found
            finally:
                found.end()
    finally:
        vragd.finish()


def chosen(tab: Tab, offered: str) -> None:
    tab.click("#add-filter")
    tab.until(f"{OFFERED}.includes({offered!r})")
    tab.js(f"document.querySelectorAll('#offered button')[{OFFERED}.indexOf({offered!r})].click()")
    tab.until(DONE)


def test_a_colour_of_the_picture_stands_for_the_folders_of_all_its_sources(shown: Shown) -> None:
    shown.vragd.client.request("GET", "/v1/map?wait_s=20", timeout_s=60)
    tab = shown.tab(real=True)
    reeds = "[...document.querySelectorAll('#legend button')].find(one => one.textContent === 'Reeds 14')"
    tab.until(f"{reeds} !== undefined")
    tab.js(f"{reeds}.click()")
    tab.until(f"{DONE} && {TITLES}.length === 14")
    assert tab.js("document.querySelector('.chip').textContent") == "folder Reeds ×"
    well(tab, shown)
    tab.close()


def test_a_folder_and_a_source_both_narrow(shown: Shown) -> None:
    tab = shown.tab()
    chosen(tab, "Other")
    tab.until(f"{TITLES}.length === 6")
    chosen(tab, "Reeds Vault")
    tab.until(f"{DONE} && {TITLES}.length === 0")
    chosen(tab, "Vault")
    tab.until(f"{DONE} && {TITLES}.length === 8")
    well(tab, shown)
    tab.close()
