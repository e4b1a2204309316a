"""The page in a real Chromium before a real daemon, by real clicks and keys."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.chromium import PLACE
from tests.harness import until
from tests.headings import HEADINGS
from tests.page import ACTIVE, DONE, TITLES, Shown, hostile, note, picture, points_at, showing, well

pytestmark = pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with showing(tmp_path_factory.mktemp("page")) as found:
        yield found


def test_a_note_is_found_read_and_followed_by_its_links(shown: Shown) -> None:
    tab = shown.tab()
    tab.click("#q")
    tab.type("grey heron")
    tab.until(f"{DONE} && document.querySelectorAll('#list mark').length")
    assert tab.js(TITLES)[0] == "Heron"
    assert tab.js("document.querySelector('#list .opens').href").startswith("obsidian://open?path=%2F")
    assert "heron" in tab.js("document.querySelector('#list mark').textContent").lower()
    tab.click("#list .title")
    tab.until("document.querySelectorAll('#note .part').length > 2")
    assert "A grey heron at [[Pond]]." in tab.js("document.querySelector('#note .text').textContent")
    parts = tab.js("[...document.querySelectorAll('#note .part')].map(one => one.textContent)")
    assert parts[0] == "Links to (1)Pond" and parts[1] == "Linked from (1)Pond" and parts[2].startswith("Related")
    tab.click("#note .part .title")
    tab.until("document.getElementById('note-title').textContent === 'Pond'")
    tab.until("document.querySelector('#note .foot .opens')?.href.endsWith('Pond')")
    tab.until("document.querySelector('#note').textContent.includes('Nowhere at all')")
    tab.click("#note .close")
    tab.until("document.getElementById('note').hidden")
    well(tab, shown)
    tab.close()


def test_a_key_is_asked_at_once_and_a_burst_of_them_as_two_questions(shown: Shown) -> None:
    tab = shown.tab()
    tab.js("""(() => {
      const real = fetch, now = performance.now.bind(performance), box = document.getElementById('q');
      window.asked = [];
      window.fetch = (path, given) => {
        if (path === '/v1/query') asked.push(JSON.parse(given.body).text);
        return real(path, given);
      };
      performance.now = () => 1e6;
      for (const end of [1, 2, 4]) {
        box.value = 'pond'.slice(0, end);
        box.dispatchEvent(new Event('input'));
      }
      performance.now = now;
      window.asked_at_once = asked.length;
    })()""")
    assert tab.js("asked_at_once") == 1
    tab.until(f"{DONE} && asked.length > 1 && {TITLES}[0] === 'Pond'")
    assert tab.js("asked") == ["p", "pond"]
    well(tab, shown)
    tab.close()


def test_an_answer_to_what_was_typed_before_is_not_taken_for_that_to_all_of_it(shown: Shown) -> None:
    tab = shown.tab()
    tab.until(DONE)
    tab.js("""(() => {
      const later = setTimeout, now = performance.now.bind(performance), box = document.getElementById('q');
      window.setTimeout = (then) => { window.burst_over = then; return 1; };
      performance.now = () => 1e6;
      for (const text of ['grey', 'grey heron']) {
        box.value = text;
        box.dispatchEvent(new Event('input'));
      }
      performance.now = now;
      window.setTimeout = later;
    })()""")
    tab.until("document.querySelectorAll('#list mark').length")
    tab.js("new Promise((then) => setTimeout(then, 0))")  # what follows an answer has run
    assert not tab.js(DONE), "the question is another by now"
    tab.js("burst_over()")
    tab.until(f"{DONE} && [...document.querySelectorAll('#list mark')].some(one => one.textContent === 'heron')")
    well(tab, shown)
    tab.close()


def test_what_is_chosen_can_be_read_from_the_first_moment(shown: Shown) -> None:
    tab = shown.tab()  # a ground that follows its letters slowly has little contrast until then
    assert tab.js("(document.querySelector('[data-way=all]').click(), document.getAnimations().length)") == 0
    well(tab, shown)
    tab.close()


def test_a_tab_is_let_in_by_one_that_was_busy_when_it_was_asked(shown: Shown) -> None:
    shown.first.js("setTimeout(() => { const end = Date.now() + 1500; while (Date.now() < end); }, 0)")
    tab = shown.tab()
    assert tab.js("document.getElementById('enter').hidden && !document.body.classList.contains('out')")
    well(tab, shown)
    tab.close()


def test_each_of_two_notes_opens_where_a_folder_is_called_as_its_vault(shown: Shown) -> None:
    tab = shown.tab()
    tab.click("#q")
    tab.type("twin")
    tab.until(f"{DONE} && {TITLES}.filter(one => one === 'Twin').length === 2")
    told = set[str]()
    for at in range(2):
        tab.js(f"document.querySelectorAll('#list .title')[{at}].click()")
        tab.until("document.querySelectorAll('#note .part').length > 2")
        told.add(tab.js("document.querySelector('#note .text').textContent").strip())
    assert told == {"A shallow twin.", "A deep twin."}
    well(tab, shown)
    tab.close()


def test_all_of_it_is_done_with_the_keyboard_alone(shown: Shown) -> None:
    tab = shown.tab()
    tab.type("pond")  # the box has the keys from the beginning
    tab.until(f"{DONE} && {TITLES}[0] === 'Pond'")
    tab.key("ArrowDown")
    tab.key("Enter")
    tab.until("document.getElementById('note-title')?.textContent === 'Pond'")
    tab.key("Escape")
    tab.until(f"document.getElementById('note').hidden && {ACTIVE} === 'Pond'")
    tab.key("/")
    tab.until("document.activeElement.id === 'q'")
    tab.key("Escape")
    tab.until(f"{DONE} && {TITLES}.length > 20")
    for _ in range(10):
        tab.key("Tab")
        if tab.js("document.activeElement.id") == "add-filter":
            break
    tab.key("Enter")
    tab.type("bird")
    tab.until("document.querySelectorAll('#offered button').length === 1")
    tab.key("ArrowDown")
    tab.key("Enter")
    tab.until(f"JSON.stringify({TITLES}) === '[\"Heron\"]'")
    tab.key("Tab", shift=True)
    tab.key("Enter")
    tab.until(f"!document.querySelector('.chip') && {TITLES}.length > 20")
    for _ in range(10):
        if "All, by folder" in tab.js(ACTIVE):
            break
        tab.key("Tab")
    tab.key("Enter")
    tab.until("document.querySelectorAll('#list summary').length > 3")
    tab.key("Tab")
    tab.key("Enter")
    tab.until(f"{TITLES}.length > 3")
    tab.close()


def test_what_notes_say_is_text_wherever_it_stands(shown: Shown) -> None:
    paths = [f"Hostile <img src=x onerror=hit()> {seed}.md" for seed in range(6)]
    notes = [
        note(path, 0.1 * at, 0, title=hostile(at)[:60], folder="<b>x", tags=["<img>"]) for at, path in enumerate(paths)
    ]
    made = picture(notes, [[0, 1]])
    made[0]["regions"][0]["name"] = "<script>hit()</script>"
    tab = shown.tab(pictures=made)
    tab.click("#q")
    tab.type("heron hostile")
    tab.until(f"{DONE} && {TITLES}.filter(one => one.includes('<img')).length > 3")
    for at in range(3):
        tab.js(f"document.querySelectorAll('#list .title')[{at}].click()")
        tab.until(f"document.getElementById('note-title')?.textContent === {TITLES}[{at}]")
        tab.until("document.querySelectorAll('#note .part').length > 2")
    assert "<iframe" in tab.js("document.body.textContent")
    tab.click("nav [data-view=files]")
    tab.until("document.querySelector('#files-list').textContent.includes('<img')")
    foreign = (
        "script:not([src]), img, svg, iframe, style, base, form, template, math, meta[http-equiv], [onerror], [onload]"
    )
    assert tab.js(f"document.querySelectorAll({foreign!r}).length") == 0
    assert tab.js("[...document.links].every(one => one.protocol === 'obsidian:')")
    well(tab, shown)
    tab.close()


def test_a_heading_is_read_as_it_is_elsewhere(shown: Shown) -> None:
    written = json.dumps([written for written, _ in HEADINGS])
    shown.first.js(f"import('/heading.js').then((it) => window.headings = {written}.map(it.asRead)), 0")
    shown.first.until("window.headings")
    assert shown.first.js("window.headings") == [read for _, read in HEADINGS]


def test_a_save_shows_by_itself_and_a_file_says_why_it_is_left_out(shown: Shown) -> None:
    tab = shown.tab()
    tab.key("ArrowDown")
    at = tab.js(ACTIVE)
    (shown.vragd.vault / "Kingfisher.md").write_text("A kingfisher, just now.")
    (shown.vragd.vault / "Broken.md").write_bytes(b"\xff\xfe\x00 \x00 no text \x00" * 40)
    tab.until(f"{TITLES}.includes('Kingfisher')")
    assert tab.js(ACTIVE) == at  # who was at a note with the keyboard still is
    assert tab.js("document.getElementById('state-text').textContent").endswith("notes")
    until(lambda: "Broken.md" in shown.vragd.files(), "the file to be looked at")
    reason = shown.vragd.files()["Broken.md"]["reason"]
    tab.click("nav [data-view=files]")
    tab.until("document.querySelectorAll('#files-states button').length === 4")
    if reason:
        tab.until(f"document.querySelector('#files-list').textContent.includes({reason.replace('_', ' ')!r})")
    well(tab, shown)
    tab.close()


def test_a_tab_keeps_its_token_gives_it_to_the_next_and_no_address_works_twice(shown: Shown) -> None:
    tab = shown.tab()
    assert tab.js("location.href") == shown.place
    assert tab.js("document.cookie") == "" and tab.js("localStorage.length") == 0
    tab.send("Page.reload")
    time.sleep(0.1)
    tab.until(f"{TITLES}.length > 3")
    alone = shown.browser.tab(context=shown.browser.context())
    alone.go(shown.address)
    alone.until("!document.getElementById('enter').hidden && document.activeElement.id === 'address'")
    alone.type("http://127.0.0.1/#nonsense")
    alone.key("Enter")
    alone.until("document.getElementById('enter-said').textContent.includes('used before')")
    assert alone.js(TITLES) == []
    for one in (tab, alone):
        well(one, shown)
        one.close()


def test_it_fits_a_narrow_screen_and_goes_on_after_the_daemon_was_away(shown: Shown) -> None:
    notes = [note("Heron.md", 0.5, 0.5), note("Pond.md", 0, 0), note("Corner.md", -0.5, -0.5)]
    tab = shown.tab(pictures=picture(notes, []), width=390, dark=True)
    wide = "document.documentElement.scrollWidth"
    assert tab.js(wide) == 390
    for _ in range(2):  # a note is opened while the picture was not seen yet, and while it is not seen
        tab.js(f"document.querySelectorAll('#list .title')[{TITLES}.indexOf('Heron')].click()")
        tab.until("document.getElementById('note-title')?.textContent === 'Heron'")
        tab.click("#note .close")
        tab.click("nav [data-view=picture]")
        tab.until("document.getElementById('canvas').getBoundingClientRect().width === 390")
        x, y = tab.place("#canvas")
        by = (390 - 88) / 2  # and yet all of it is
        points_at(tab, x + by, y - by, "HeronHeron.md")
        tab.click("nav [data-view=notes]")
    tab.click("nav [data-view=picture]")
    tab.until("document.getElementById('canvas').getBoundingClientRect().width === 390")
    assert tab.js("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
    x, y = tab.place("#canvas")
    tab.click_at(x, y)
    tab.until("document.getElementById('note-title')?.textContent === 'Pond'")
    assert tab.js(wide) == 390
    assert shown.vragd.stop() == 0
    tab.until("document.getElementById('trouble').textContent.includes('No vragd is running')")
    shown.vragd.start()
    tab.until("document.getElementById('trouble').hidden")
    well(tab, shown)
    tab.close()


def test_who_comes_back_after_the_page_ended_is_told_one_thing(shown: Shown) -> None:
    tab = shown.tab()
    shown.end()
    tab.until("document.getElementById('trouble').textContent.includes('vragd web has ended')")
    shown.start("--port", shown.place.rsplit(":", 1)[1].rstrip("/"))
    tab.until("!document.getElementById('enter').hidden")
    tab.until("document.getElementById('trouble').hidden")
    tab.close()
