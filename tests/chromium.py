"""
A real Chromium without a window, by its DevTools protocol over a pipe: real clicks and keys, and what it asked for.

Debian's package `chromium` has it; VRAGD_CHROMIUM names another. Nothing is to be installed for it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PLACE = os.environ.get("VRAGD_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DEADLINE_S = 30.0
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-domain-reliability", "--disable-sync",
    "--disable-extensions", "--disable-dev-shm-usage", "--disable-gpu", "--metrics-recording-only", "--mute-audio",
    "--no-pings", "--password-store=basic", "--use-mock-keychain", "--force-color-profile=srgb",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
)  # fmt: skip
# the protocol is spoken on 3 and 4
BECOME = """import os, sys
read, write = (os.dup(os.dup(int(sys.argv[n]))) for n in (1, 2))
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])"""
KEYS = {
    "Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), "ArrowDown": (40, ""), "ArrowUp": (38, ""),
    "ArrowLeft": (37, ""), "ArrowRight": (39, ""), " ": (32, " "),
}  # fmt: skip


class Chromium:
    """The browser. Messages are told apart by their number, events by the session of their tab."""

    def __init__(self, profile: Path, temporary: str) -> None:
        assert PLACE is not None
        from_us, to_us = os.pipe(), os.pipe()
        given = from_us[0], to_us[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", BECOME, *map(str, given), PLACE, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=given, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, "HOME": str(profile), "TMPDIR": temporary},
        )  # fmt: skip
        os.close(from_us[0])
        os.close(to_us[1])
        self._out, self._in = os.fdopen(from_us[1], "wb", 0), os.fdopen(to_us[0], "rb")
        self._number, self._answers, self._heard = 0, dict[int, Any](), threading.Condition()
        self.tabs: dict[str, Tab] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        held = b""
        while part := self._in.read1(1 << 20):
            *whole, held = (held + part).split(b"\0")
            for one in map(json.loads, whole):
                with self._heard:
                    if "id" in one:
                        self._answers[one["id"]] = one
                    elif tab := self.tabs.get(one.get("sessionId", "")):
                        tab.events.append((one["method"], one["params"]))
                    self._heard.notify_all()

    def send(self, method: str, session: str = "", **params: Any) -> Any:
        """Ask, and wait for the answer."""
        with self._heard:
            self._number += 1
            number = self._number
            message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
            self._out.write(json.dumps(message).encode() + b"\0")
            assert self._heard.wait_for(lambda: number in self._answers, DEADLINE_S), f"no answer to {method}"
            answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def context(self) -> str:
        """A browser of its own, as another window that keeps nothing."""
        return str(self.send("Target.createBrowserContext")["browserContextId"])

    def tab(self, width: int = 1280, height: int = 800, *, dark: bool = False, context: str = "") -> Tab:
        """A new tab, that is looked at."""
        where = {"browserContextId": context} if context else {}
        target = self.send("Target.createTarget", url="about:blank", **where)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self.tabs[session] = Tab(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log", "Performance"):
            tab.send(f"{domain}.enable")
        tab.looks(width, height, dark=dark)
        return tab

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with suppress(ProcessLookupError):  # what it left behind would write to the profile still
            os.killpg(self.process.pid, signal.SIGKILL)
        self._reader.join(10)
        self._out.close()
        self._in.close()


class Tab:
    """One page. `events` are all that the browser told of it."""

    def __init__(self, browser: Chromium, session: str, target: str) -> None:
        self.browser, self.session, self.target = browser, session, target
        self.events = list[tuple[str, Any]]()
        self._answering, self._closes = list[threading.Thread](), threading.Event()

    def send(self, method: str, **params: Any) -> Any:
        return self.browser.send(method, self.session, **params)

    def looks(self, width: int, height: int, *, dark: bool) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def js(self, expression: str) -> Any:
        """The value of an expression; a promise's when it has one."""
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str, timeout_s: float = DEADLINE_S) -> Any:
        """Wait for an expression to be true; its value."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                if value := self.js(expression):
                    return value
            except AssertionError:  # the page is just another one
                pass
            time.sleep(0.02)
        raise AssertionError(f"waited in vain for {expression}; the page says: {self.js('document.body.innerText')}")

    def place(self, selector: str) -> tuple[float, float]:
        """The middle of an element, once it is there and seen."""
        box = f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;" \
              " e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect();" \
              " return b.width && [b.x + b.width / 2, b.y + b.height / 2]; })()"  # fmt: skip
        x, y = self.until(box)
        return x, y

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click_at(self, x: float, y: float) -> None:
        self.mouse("mouseMoved", x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def click(self, selector: str) -> None:
        self.click_at(*self.place(selector))

    def key(self, key: str, *, shift: bool = False) -> None:
        code = ord(key.upper()) if len(key) == 1 and key.isascii() and key.isalnum() else 0
        code, text = KEYS.get(key, (code, key if len(key) == 1 else ""))
        said = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **said)
        self.send("Input.dispatchKeyEvent", type="keyUp", **said)

    def type(self, text: str) -> None:
        for char in text:
            self.key(char)

    def shot(self, path: Path) -> None:
        """What is seen, as a PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def asked(self) -> list[str]:
        """Every address that was asked for."""
        return [told["request"]["url"] for method, told in self.events if method == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the browser found wrong: what scripts did not catch, what the policy of the page refused."""
        thrown = [str(told) for method, told in self.events if method == "Runtime.exceptionThrown"]
        logged = [told["entry"] for method, told in self.events if method == "Log.entryAdded"]
        return thrown + [str(one) for one in logged if one["source"] in ("security", "javascript", "violation")]

    def answer_with(self, pattern: str, answer: Callable[[], tuple[int, Any]]) -> None:
        """What is asked for by such addresses is answered here, with a status and JSON."""
        self.send("Fetch.enable", patterns=[{"urlPattern": pattern}])

        def serve() -> None:
            at = 0
            while not self._closes.wait(0.01) and self.browser.process.poll() is None:
                while at < len(self.events):
                    method, told = self.events[at]
                    at += 1
                    if method == "Fetch.requestPaused":
                        status, document = answer()
                        body = base64.b64encode(json.dumps(document).encode()).decode()
                        said = [{"name": "content-type", "value": "application/json"}]
                        self.send("Fetch.fulfillRequest", requestId=told["requestId"], responseCode=status, body=body,
                                  responseHeaders=said)  # fmt: skip

        self._answering.append(threading.Thread(target=serve, daemon=True))
        self._answering[-1].start()

    def close(self) -> None:
        self._closes.set()
        for thread in self._answering:  # what it answers belongs to this tab
            thread.join()
        self.browser.send("Target.closeTarget", targetId=self.target)


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A browser that is ended in the end, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="vragd-") as temporary:  # short, for its sockets, which it leaves there
        browser = Chromium(profile, temporary)
        try:
            yield browser
        finally:
            browser.end()
