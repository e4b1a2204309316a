"""The page in a real Chromium before a real daemon, by real clicks and keys."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chromium import PLACE, Chromium, Tab, chromium
from tests.harness import Vragd, until

pytestmark = pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium")

DONE = "!document.querySelector('[aria-busy]')"
TITLES = "[...document.querySelectorAll('#list .title')].map(one => one.textContent)"
ACTIVE = "document.activeElement.textContent"
TAGS = [
    "script", "img src=x onerror=hit()", "svg onload=hit()", "iframe srcdoc='<script>parent.hit()</script>'", "style",
    "a href='javascript:hit()'", "base href='//evil.example'", "form action=//evil.example", "b", "!--", "template",
    "meta http-equiv=refresh content='0;url=//evil.example'", "noscript", "math", "title", "textarea", "plaintext",
]  # fmt: skip


def hostile(seed: int) -> str:
    """A note that would be HTML and script if it were not text."""
    draw, parts = random.Random(seed), ["heron hostile"]
    for _ in range(12):
        tag = draw.choice(TAGS)
        close = draw.choice([f"</{tag.split()[0]}>", "", "-->", "]]>", "\"'>", "</script>"])
        parts.append(f"{draw.choice(['', '&lt;', chr(0x202E), '`'])}<{tag}>hit(){close} [[<{tag}>]] #{seed}")
    return "\n".join(parts)


class Shown:
    """A daemon with notes, `vragd web` before it, a browser, and the first tab of the page."""

    def __init__(self, instance: Vragd, browser: Chromium) -> None:
        self.vragd, self.browser = instance, browser
        self.start()
        self.place = self.address.partition("#")[0]
        self.first = browser.tab()
        self.first.go(self.address)
        self.first.until(f"{TITLES}.length > 3")

    def start(self, *more: str) -> None:
        self.web = subprocess.Popen(
            [sys.executable, "-m", "vragd", "web", "--no-open", *more], env=self.vragd.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.web.stdout is not None
        self.address = self.web.stdout.readline().strip()

    def tab(self, *, pictures: Any = None, width: int = 1280, dark: bool = False, real: bool = False) -> Tab:
        """Another tab of the page, let in by the first; with a picture of its own, or the `real` one."""
        tab = self.browser.tab(width, dark=dark)
        tab.send("Page.addScriptToEvaluateOnNewDocument", source="window.hits = 0; window.hit = () => hits++")
        said = (404, {"error": {"code": "not_found", "message": "no", "hint": ""}})
        if not real:
            tab.answer_with("*/v1/map*", lambda: (200, {"pictures": pictures}) if pictures is not None else said)
        tab.go(self.place)
        tab.until(f"{TITLES}.length > 3")
        return tab

    def end(self) -> None:
        self.web.terminate()
        assert self.web.wait(20) == 0
        assert self.web.stdout is not None
        self.web.stdout.close()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    home = tmp_path_factory.mktemp("page")
    instance = Vragd(home)
    for name in (".obsidian", "Reeds", "Fields", "Woods"):
        (instance.vault / name).mkdir()
        for at in range(8):
            (instance.vault / name / f"{name} {at}.md").write_text(f"What was seen on day {at} in the {name.lower()}.")
    for seed in range(6):
        (instance.vault / f"Hostile <img src=x onerror=hit()> {seed}.md").write_text(hostile(seed))
    (instance.vault / "Heron.md").write_text("---\ntags: [bird/water]\n---\n# Heron\n\nA grey heron at [[Pond]].\n")
    (instance.vault / instance.vault.name).mkdir()  # a folder called as its vault is
    for place, says in ((instance.vault, "shallow"), (instance.vault / instance.vault.name, "deep")):
        (place / "Twin.md").write_text(f"A {says} twin.")
    (instance.vault / "Pond.md").write_text("The old pond, where [[Heron|herons]] stand. [[Nowhere at all]]\n")
    try:
        instance.start()
        with chromium(home / "profile") as browser:
            found = Shown(instance, browser)
            try:
                yield found
            finally:
                found.end()
    finally:
        instance.finish()


def picture(notes: list[dict[str, Any]], links: list[list[int]]) -> list[dict[str, Any]]:
    regions = [{"name": "water, birds, reeds", "x": 0.2, "y": 0.2, "notes": 3}]
    return [{"store": "notes", "space": "s", "state": "ready", "notes": notes, "links": links, "regions": regions,
             "without": 1}]  # fmt: skip


def note(path: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    folder, _, name = path.rpartition("/")
    made = {
        "id": path,
        "path": path,
        "title": name.removesuffix(".md"),
        "source": "Vault",
        "folder": folder,
        "tags": [],
    }
    return made | {"x": x, "y": y} | more


def well(tab: Tab, shown: Shown) -> None:
    """No script of a note ran, nothing was refused by the page's policy, nothing asked for elsewhere."""
    assert tab.js("window.hits ?? 0") == 0
    assert tab.complaints() == []
    assert [address for address in tab.asked() if not address.startswith(shown.place)] == []


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


def points_at(tab: Tab, x: float, y: float, said: str) -> None:
    """Where the mouse is moved there, that is told. What is just drawn elsewhere may miss a move."""

    def told() -> bool:
        for by in (1, 0):
            tab.mouse("mouseMoved", x + by, y)
        return bool(
            tab.js("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent") == said
        )

    until(told, f"the picture to tell {said} at {x}, {y}")


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
