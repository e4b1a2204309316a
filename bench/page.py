"""
The page before a real daemon, with a vault of one's own, in a real Chromium: from the start to the first picture, the
work of each frame while it moves, and from a key to the marks of what was found.

Times of frames are those of its own script on the main thread; a long task is one of more than 50 ms.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.common import percentiles
from bench.homes import scratch
from bench.text import questions
from tests.chromium import Tab, chromium
from tests.harness import Vragd, until

INDEX_S = 3600.0
SETTLE_S = 3.0  # a browser that was just started is busy with itself: whoever opens a page has one that runs
MOVES, ZOOMS, QUESTIONS = 120, 40, 20
WATCH = """
window.longs = []; window.frames = []; window.took = [];
new PerformanceObserver((told) => { for (const one of told.getEntries()) longs.push(one.duration) })
  .observe({type: 'longtask', buffered: true});
import('/canvas.js').then(({Canvas}) => {
  const frame = Canvas.prototype.frame;
  Canvas.prototype.frame = function () {
    const began = performance.now();
    frame.call(this);
    frames.push((performance.now() - began) / 1000);
    if (this.points.n && !window.drawn_s) window.drawn_s = performance.now() / 1000;
  };
  const light = Canvas.prototype.light;
  Canvas.prototype.light = function (lit) {
    light.call(this, lit);
    if (lit && window.pressed) {
      const since = pressed;
      window.pressed = 0;
      requestAnimationFrame(() => took.push((performance.now() - since) / 1000));
    }
  };
});
addEventListener('input', () => { window.pressed = performance.now() }, true);
"""


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    if args.vault is None:
        raise SystemExit("page: --vault DIR, a folder of notes")
    with scratch() as place:
        vragd = Vragd(args.kept or Path(place), args.vault.resolve())
        try:
            vragd.start(idle=False)
            until(lambda: not vragd.status()["pending"] and not vragd.status()["degraded"], "the index", INDEX_S)
            until(lambda: _picture(vragd)["state"] == "ready", "the picture", INDEX_S)
            with _address(vragd) as address, chromium(Path(place) / "profile") as browser:
                figures = _measured(browser.tab(), address)
        finally:
            vragd.finish()
    return {"vault": args.vault.resolve().name, "questions": QUESTIONS}, figures


def _picture(vragd: Vragd) -> dict[str, Any]:
    found: dict[str, Any] = vragd.client.request("GET", "/v1/map?wait_s=20", timeout_s=60)["pictures"][0]
    return found


@contextmanager
def _address(vragd: Vragd) -> Iterator[str]:
    command = [sys.executable, "-m", "vragd", "web", "--no-open"]
    web = subprocess.Popen(command, env=vragd.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert web.stdout is not None
    try:
        yield web.stdout.readline().strip()
    finally:
        web.terminate()
        web.wait(20)
        web.stdout.close()


def _measured(tab: Tab, address: str) -> dict[str, Any]:
    tab.send("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    time.sleep(SETTLE_S)
    tab.go(address)
    drawn_s = tab.until("window.drawn_s", 120)
    until(lambda: _rests(tab), "the picture to rest")
    at_first = tab.js("longs.splice(0)")
    x, y = tab.place("#canvas")
    tab.js("frames.splice(0)")
    tab.mouse("mousePressed", x, y, button="left", clickCount=1)
    for at in range(MOVES):
        where = x + 100 * math.sin(at / 10), y + 60 * math.cos(at / 10)
        tab.mouse("mouseMoved", *where, button="left", buttons=1)
    tab.mouse("mouseReleased", x, y, button="left", clickCount=1)
    for at in range(ZOOMS):
        tab.mouse("mouseWheel", x, y, deltaX=0, deltaY=-40 if at < ZOOMS / 2 else 40)
    frames, moving = tab.js("frames.splice(0)"), tab.js("longs.splice(0)")
    for n, text in enumerate(questions()[:QUESTIONS]):
        tab.click("#q")
        tab.js("document.getElementById('q').select()")
        tab.send("Input.insertText", text=text)
        tab.until(f"took.length > {n} && !window.pressed", 60)
    return {
        "notes": tab.js("document.getElementById('canvas').getAttribute('aria-label')"),
        "first_picture_s": round(drawn_s, 3),
        "long_tasks_at_first_ms": [round(one) for one in at_first],
        "frame": percentiles(frames),
        "frames": len(frames),
        "long_tasks_moving_ms": [round(one) for one in moving],
        "key_to_marks": percentiles(tab.js("took")),
    }


def _rests(tab: Tab) -> bool:
    """Whether nothing was drawn for a while: many links come in slices."""
    n = tab.js("frames.length")
    time.sleep(0.5)
    return bool(tab.js("frames.length") == n)
