"""The page before a real daemon in a real Chromium, for tests that look at it."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chromium import Chromium, Tab, chromium
from tests.harness import Vragd, until

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
    """A daemon with notes, `vragd web` before it, a browser, and the first tab of the page, once that `has` them."""

    def __init__(self, instance: Vragd, browser: Chromium, has: str) -> None:
        self.vragd, self.browser, self.has = instance, browser, has
        self.start()
        self.place = self.address.partition("#")[0]
        self.first = browser.tab()
        self.first.go(self.address)
        self.first.until(self.has)

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
        tab.until(self.has)
        return tab

    def end(self) -> None:
        self.web.terminate()
        assert self.web.wait(20) == 0
        assert self.web.stdout is not None
        self.web.stdout.close()


def some(vault: Path) -> None:
    """Notes of all kinds, hostile ones too."""
    for name in (".obsidian", "Reeds", "Fields", "Woods"):
        (vault / name).mkdir()
        for at in range(8):
            (vault / name / f"{name} {at}.md").write_text(f"What was seen on day {at} in the {name.lower()}.")
    for seed in range(6):
        (vault / f"Hostile <img src=x onerror=hit()> {seed}.md").write_text(hostile(seed))
    (vault / "Heron.md").write_text("---\ntags: [bird/water]\n---\n# Heron\n\nA grey heron at [[Pond]].\n")
    (vault / vault.name).mkdir()  # a folder called as its vault is
    for place, says in ((vault, "shallow"), (vault / vault.name, "deep")):
        (place / "Twin.md").write_text(f"A {says} twin.")
    (vault / "Pond.md").write_text("The old pond, where [[Heron|herons]] stand. [[Nowhere at all]]\n")


@contextmanager
def showing(
    home: Path, fill: Callable[[Path], None] = some, has: str = f"{TITLES}.length > 3", **config: Any
) -> Iterator[Shown]:
    """The page of notes that a vault was filled with."""
    instance = Vragd(home, **config)
    fill(instance.vault)
    try:
        instance.start()
        with chromium(home / "profile") as browser:
            found = Shown(instance, browser, has)
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


def points_at(tab: Tab, x: float, y: float, said: str) -> None:
    """Where the mouse is moved there, that is told. What is just drawn elsewhere may miss a move."""

    def told() -> bool:
        for by in (1, 0):
            tab.mouse("mouseMoved", x + by, y)
        return bool(
            tab.js("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent") == said
        )

    until(told, f"the picture to tell {said} at {x}, {y}")
