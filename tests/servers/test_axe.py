"""The real page under axe: nothing serious or critical in any state, dark and light, narrow and wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import PLACE, Tab
from tests.page import DONE, TITLES, Shown, showing, some
from tests.servers.axe import NAME, SCRIPT
from tests.servers.fetched import FOLDER, fetched

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER, reason="for make test-servers: axe is installed first, by npm"),
    pytest.mark.skipif(PLACE is None, reason="there is no Chromium here; Debian's package is chromium"),
]

LOOKS = [(1280, False), (1280, True), (390, False), (390, True)]
RUN = """axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.map((one) =>
  ({ rule: one.id, impact: one.impact, at: one.nodes.map((node) => `${node.target} ${node.failureSummary}`) })))"""


def there(selector: str) -> str:
    return f"document.querySelector({selector!r}) !== null"


PASSED = "axe.run(document).then((found) => found.passes.map((one) => one.id))"


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return (fetched(NAME) / SCRIPT).read_text()
    except OSError as error:
        pytest.skip(f"no axe: {error}")


def violations(tab: Tab, axe: str) -> list[dict[str, Any]]:
    """What axe calls serious or critical; given by the DevTools, to which the page's policy does not apply."""
    if not tab.js("'axe' in window"):
        tab.js(f"{axe}; 0")
    tab.js("Promise.all(document.getAnimations().map((one) => one.finished)).then(() => 0)")
    found: list[dict[str, Any]] = tab.js(RUN)
    return [one for one in found if one["impact"] in ("serious", "critical")]


def view(name: str) -> Callable[[Tab], None]:
    def does(tab: Tab) -> None:
        tab.js(f"document.querySelector('nav [data-view={name}]').click()")
        tab.until(f"document.querySelector('main').dataset.view === '{name}'")
        if name == "files":
            tab.until("document.querySelectorAll('#files-states button').length === 4")

    return does


def ask(text: str, then: str) -> Callable[[Tab], None]:
    def does(tab: Tab) -> None:
        tab.js(f"(() => {{ const q = document.getElementById('q'); q.value = {text!r}; q.focus();"
               " q.dispatchEvent(new Event('input')); })()")  # fmt: skip
        tab.until(f"{DONE} && ({then})")

    return does


def read(tab: Tab) -> None:
    """A note is open, with its links and what is related."""
    view("notes")(tab)
    tab.js("document.querySelector('#list .title').click()")
    tab.until("[...document.querySelectorAll('#note .part h3')].some((one) => one.textContent === 'Related')")


def related(tab: Tab) -> None:
    """The last of what is related to it has the keys."""
    tab.js("[...document.querySelectorAll('#note .part .title')].at(-1).focus()")


def folders(tab: Tab) -> None:
    ask("", "true")(tab)
    tab.js("document.querySelector('[data-way=all]').click()")
    tab.until(f"{DONE} && {there('#list summary')}")
    tab.js("document.querySelector('#list details').open = true")
    tab.until(there("#list details .title"))


def filters(tab: Tab) -> None:
    """A chip is there, and the box for another."""
    view("notes")(tab)
    tab.js("document.getElementById('add-filter').click()")
    tab.until(there("#offered button"))
    tab.js("document.querySelector('#offered button').click()")
    tab.until(f"{DONE} && {there('.chip')}")
    tab.js("document.getElementById('add-filter').click()")
    tab.until(there("#offered button"))


def let_out(tab: Tab) -> None:
    """It is asked for an address."""
    tab.js("sessionStorage.clear()")
    tab.js("document.body.classList.contains('out') || import('/dom.js').then((it) => it.tell('left'), 0)")
    tab.until("!document.getElementById('enter').hidden")


States = Sequence[tuple[str, Callable[[Tab], None]]]
NOTHING: States = (
    ("nothing", lambda tab: tab.until(there("#list .empty"))),
    ("a question to nothing", ask("heron", there("#list .quiet"))),
    ("a mistyped one", ask("after:never", "document.getElementById('found').textContent !== ''")),
    ("no files", view("files")),
    ("no picture", view("picture")),
)
ONE: States = (
    ("one note", lambda tab: tab.until(f"{TITLES}.length === 1")),
    ("found", ask("heron", f"{TITLES}.length === 1")),
    ("read", read),
    ("its file", view("files")),
)
MANY: States = (
    ("many notes", lambda tab: tab.until(f"{TITLES}.length > 30")),
    ("by folder", folders),
    ("found", ask("grey heron", there("#list mark"))),
    ("read", read),
    ("related", related),
    ("hostile", ask("hostile", f"{TITLES}[0].includes('<img')")),
    ("read, hostile", read),
    ("files", view("files")),
    ("picture", view("picture")),
    ("filters", filters),
    ("nothing found", ask("zzzyyyxxx", there("#list .quiet"))),
    ("let out", let_out),
)


def many(vault: Path) -> None:
    """About a hundred, some of which cannot be read."""
    some(vault)
    for at in range(70):
        (vault / "Woods" / f"Walk {at}.md").write_text(
            f"---\ntags: [walk/{at % 5}]\n---\nA walk to [[Pond]], day {at}."
        )
    (vault / "Broken.md").write_bytes(b"\xff\xfe\x00 \x00 no text \x00" * 40)


def looked_at(shown: Shown, states: States, axe: str) -> dict[tuple[str, int, bool], Any]:
    """By state, width and whether it is dark: what is wrong."""
    found = {}
    for width, dark in LOOKS:
        tab = shown.tab(width=width, dark=dark, real=True)
        for name, does in states:
            does(tab)
            if wrong := violations(tab, axe):
                found[name, width, dark] = wrong
        assert "color-contrast" in tab.js(PASSED), "axe looks at what is shown"
        assert tab.complaints() == []
        tab.close()
    return found


@pytest.mark.parametrize(
    ("fill", "has", "states"),
    [
        (lambda vault: None, there("#list .empty"), NOTHING),
        (lambda vault: (vault / "Heron.md").write_text("A grey heron."), f"{TITLES}.length === 1", ONE),
        (many, f"{TITLES}.length > 30", MANY),
    ],
    ids=["empty", "one", "many"],
)
def test_nobody_is_kept_out_of_any_state(
    tmp_path: Path, axe: str, fill: Callable[[Path], None], has: str, states: States
) -> None:
    with showing(tmp_path, fill, has) as shown:
        assert looked_at(shown, states, axe) == {}


def test_axe_finds_what_is_wrong(tmp_path: Path, axe: str) -> None:
    with showing(tmp_path, lambda vault: None, there("#list .empty")) as shown:
        shown.first.js("document.querySelector('label[for=q]').remove(); document.getElementById('q').placeholder = ''")
        assert "label" in [one["rule"] for one in violations(shown.first, axe)]
