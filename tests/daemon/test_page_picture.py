"""The page's picture in a real Chromium before a real daemon: drawn, lit up, moved, pointed at."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.chromium import PLACE
from tests.page import ACTIVE, DONE, TITLES, Shown, note, picture, points_at, showing, well

pytestmark = pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with showing(tmp_path_factory.mktemp("page")) as found:
        yield found


def test_the_picture_lights_up_is_moved_and_opens_notes(shown: Shown) -> None:
    far = [note(f"Far/Away {at}.md", -1, -1 + at / 100) for at in range(50)]
    notes = [note("Heron.md", 0.5, 0.5), note("Pond.md", -0.5, 0.5), note("Corner.md", 1, 1), *far]
    tab = shown.tab(pictures=picture(notes, [[0, 1]]))
    tab.until("document.querySelectorAll('#legend li').length === 2")
    x, y = tab.place("#canvas")
    sides = tab.js("(({clientWidth, clientHeight}) => [clientWidth, clientHeight])(document.getElementById('stage'))")
    unit = (min(sides) - 88) / 2  # all of it is seen, with a margin
    heron = x + 0.5 * unit, y - 0.5 * unit
    points_at(tab, *heron, "HeronHeron.md")
    ink = "[...document.getElementById('{}').getContext('2d').getImageData({}, {}, 1, 1).data].join()"
    left, top = tab.js("(({x, y}) => [x, y])(document.getElementById('canvas').getBoundingClientRect())")
    spot = ink.format("canvas", int(heron[0] - left), int(heron[1] - top))
    ground = ink.format("canvas", 3, 3)
    assert tab.js(spot) != tab.js(ground)
    unlit = tab.js(spot)
    pond = ink.format("above", int(x - 0.5 * unit - left), int(y - 0.5 * unit - top))
    tab.mouse("mouseMoved", x, y)
    tab.until(f"{pond} === '0,0,0,0'")
    tab.click("#q")
    tab.type("old pond stand")
    tab.until(f"{spot} !== {unlit!r} && {pond} !== '0,0,0,0'")  # all the others fade
    tab.key("Escape")
    tab.click_at(*heron)
    tab.until("document.getElementById('note-title')?.textContent === 'Heron'")
    tab.key("Escape")
    tab.until("document.getElementById('note').hidden")
    points_at(tab, *heron, "HeronHeron.md")  # the picture has all its room again
    tab.mouse("mousePressed", x, y, button="left", clickCount=1)  # dragged by so much, the point is there
    for step in range(1, 6):
        tab.mouse("mouseMoved", x + 10 * step, y + 6 * step, button="left", buttons=1)
    tab.mouse("mouseReleased", x + 50, y + 30, button="left", clickCount=1)
    points_at(tab, heron[0] + 50, heron[1] + 30, "HeronHeron.md")
    tab.js("document.getElementById('canvas').focus()")
    tab.key("0")
    tab.mouse("mouseWheel", *heron, deltaX=0, deltaY=-200)  # what is below the pointer stays there
    points_at(tab, *heron, "HeronHeron.md")
    tab.click("#legend button")
    tab.until("document.querySelector('.chip')?.textContent === 'folder Far ×'")
    well(tab, shown)
    tab.close()


FRAMES = """
import('/canvas.js').then(({Canvas}) => {
  const frame = Canvas.prototype.frame;
  Canvas.prototype.frame = function () {
    frame.call(this);
    if (this.lit) listed_at.push(document.getElementById('found').textContent);
  };
  window.listed_at = [];
});
"""
"""What the list said in each frame that had marks."""


def test_what_is_found_is_marked_in_the_picture_before_it_is_listed(shown: Shown) -> None:
    tab = shown.tab(pictures=picture([note("Heron.md", 0.5, 0.5), note("Pond.md", -0.5, 0.5)], []))
    tab.until("document.getElementById('canvas').getAttribute('aria-label').includes('2 notes')")
    tab.js(FRAMES)
    tab.click("#q")
    tab.type("old pond stand")
    tab.until(f"{DONE} && document.getElementById('found').textContent && listed_at.length")
    assert tab.js("listed_at[0]") == ""
    well(tab, shown)
    tab.close()


def test_the_daemons_own_picture_lights_up_opens_notes_and_has_a_list_for_the_keyboard(shown: Shown) -> None:
    told = shown.vragd.client.request("GET", "/v1/map?wait_s=20", timeout_s=60)["pictures"][0]
    assert told["state"] == "ready"
    places = {one["path"]: (one["x"], -one["y"]) for one in told["notes"]}  # the page's y goes down
    heron = places["Heron.md"]
    tab = shown.tab(real=True)
    tab.until(f"document.getElementById('canvas').getAttribute('aria-label').includes('{len(places)} notes')")
    tab.until("document.querySelectorAll('#legend li').length > 2")
    x, y = tab.place("#canvas")
    sides = tab.js("(({clientWidth, clientHeight}) => [clientWidth, clientHeight])(document.getElementById('stage'))")
    spans = [(min(one), max(one)) for one in zip(*places.values(), strict=True)]
    unit = min((side - 88) / (most - least) for side, (least, most) in zip(sides, spans, strict=True))
    at = [middle + (one - sum(span) / 2) * unit for middle, one, span in zip((x, y), heron, spans, strict=True)]
    points_at(tab, at[0], at[1], "HeronHeron.md")
    left, top = tab.js("(({x, y}) => [x, y])(document.getElementById('canvas').getBoundingClientRect())")
    tab.mouse("mouseMoved", left + 2, top + 2)
    mark = "document.getElementById('above').getContext('2d')" \
           f".getImageData({int(at[0] - left)}, {int(at[1] - top)}, 1, 1).data[3]"  # fmt: skip
    tab.click("#q")
    tab.type("grey heron")
    tab.until(f"{DONE} && {TITLES}[0] === 'Heron' && {mark} === 255")  # a mark upon its point
    tab.click_at(at[0], at[1])
    tab.until("document.getElementById('note-title')?.textContent === 'Heron'")
    tab.key("Escape")
    tab.key("/")
    tab.key("Escape")  # no question any more
    tab.until(f"{DONE} && !document.getElementById('ways').hidden")
    for _ in range(12):
        if "All, by folder" in tab.js(ACTIVE):
            break
        tab.key("Tab")
    tab.key("Enter")
    tab.until("document.querySelectorAll('#list summary').length > 3")
    for _ in range(12):
        tab.key("Tab")
        if tab.js(ACTIVE).startswith("Woods"):
            break
    tab.key("Enter")
    tab.until("document.querySelectorAll('#list details[open] .title').length")
    tab.key("Tab")
    tab.until(f"{ACTIVE}.startsWith('Woods ')")
    tab.key("Enter")
    tab.until("document.getElementById('note-title')?.textContent.startsWith('Woods ')")
    well(tab, shown)
    tab.close()


def test_the_list_by_folder_has_the_notes_that_have_no_place_in_the_picture(shown: Shown) -> None:
    tab = shown.tab(pictures=picture([note("Heron.md", 0, 0, title="The heron of the picture")], []))  # without one
    tab.until("document.getElementById('canvas').getAttribute('aria-label').includes('1 note without')")
    tab.js("document.querySelector('[data-way=all]').click()")
    n = len(shown.vragd.files("indexed"))
    tab.until(f"{DONE} && document.getElementById('found').textContent === '{n} notes'")
    folders = "[...document.querySelectorAll('#list summary')].map(one => one.firstChild.textContent)"
    tab.js(f"document.querySelectorAll('#list summary')[{folders}.indexOf('no folder')].click()")
    tab.until(f"{TITLES}.includes('Pond') && {TITLES}.includes('The heron of the picture')")
    well(tab, shown)
    tab.close()


def test_ten_thousand_points_are_drawn_and_move_without_a_long_task(shown: Shown) -> None:
    draw = random.Random(1)
    notes = [note(f"F{at % 14}/N {at}.md", draw.uniform(-1, 1), draw.uniform(-1, 1)) for at in range(10_000)]
    tab = shown.tab(pictures=picture(notes, [[draw.randrange(10_000), draw.randrange(10_000)] for _ in range(20_000)]))
    tab.until("document.querySelectorAll('#legend li').length === 11")
    x, y = tab.place("#canvas")
    draws = "(() => { const {data} = document.getElementById('canvas').getContext('2d').getImageData(0, 0, 400, 400);" \
            " return new Set(new Uint32Array(data.buffer)).size > 50; })()"  # fmt: skip
    tab.until(draws)

    def busy() -> float:
        told = {one["name"]: one["value"] for one in tab.send("Performance.getMetrics")["metrics"]}
        return float(told["TaskDuration"])

    before, frames = busy(), 40
    tab.mouse("mousePressed", x, y, button="left", clickCount=1)
    for step in range(frames):
        tab.mouse("mouseMoved", x + 2 * step, y + step, button="left", buttons=1)
    tab.mouse("mouseReleased", x, y, button="left", clickCount=1)
    # a machine of tests may be ten times as slow as a desk, and busy; a canvas that draws each dot takes 25 ms on that
    assert (busy() - before) / frames < 0.1
    well(tab, shown)
    tab.close()
