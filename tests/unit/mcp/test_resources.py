"""Notes as resources, over a daemon whose notes are as bad as they can be."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.mcp.test_bridge import BAD, BESIDE, Answers, place
from vragd.errors import NotFound, NotRunning, Overloaded, UnknownStore
from vragd.mcp.pages import MOST_BYTES
from vragd.mcp.resources import BEGINS, MOST_LISTED, Resources
from vragd.mcp.text import Fence
from vragd.mcp.versions import Refused

KEY = "0a0b0c0d"


def resources(daemon: Answers) -> Resources:
    return Resources(lambda: daemon, Fence(KEY))


def recent(*paths: str, title: str = "t") -> Answers:
    notes = [{"note": {"source": "Vault", "path": one, "title": title}, "modified": 1.5e9} for one in paths]
    return Answers(recent={"notes": notes, "n_notes": len(notes), **BESIDE})


def note(text: str, path: str = "a.md", **other: Any) -> Answers:
    n = 1 + text.count("\n")
    said = {"note": {"store": "s", "source": "Vault", "path": path, "title": "a"}, "lines": [1, n], "n_lines": n}
    return Answers(get=said | {"text": text, "pending": 0, "degraded": [], **other})


def size(result: dict[str, Any]) -> int:
    return len(json.dumps(result, ensure_ascii=False).encode())


def read(daemon: Answers, uri: str) -> str:
    result = resources(daemon).read(uri)
    assert size(result) <= MOST_BYTES
    (one,) = result["contents"]
    assert one["uri"] == uri
    return str(one["text"])


def refused(daemon: Answers, uri: str) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        resources(daemon).read(uri)
    return caught.value.code, caught.value.message


def pages(daemon: Answers) -> list[list[dict[str, Any]]]:
    found, cursor = list[list[dict[str, Any]]](), None
    while True:
        result = resources(daemon).listed(cursor)
        assert size(result) <= MOST_BYTES
        found.append(result["resources"])
        if (cursor := result.get("nextCursor")) is None:
            return found


def test_the_latest_are_listed_page_by_page_each_once_and_read_by_their_addresses() -> None:
    paths = [f"Día {n}/a?b#c%20 d\u200b.md" for n in range(120)]
    daemon = recent(*paths)
    found = pages(daemon)
    assert [len(page) for page in found] == [50, 50, 20]
    assert {asked["top_k"] for asked in daemon.asked} == {MOST_LISTED}
    reading = note("x")
    for page in found:
        for one in page:
            read(reading, one["uri"])
            assert one["uri"].isascii()
    assert [asked["note"] for asked in reading.asked] == [f"Vault/{path}" for path in paths]
    first = found[0][0]
    assert first["name"] == "Vault/Día 0/a?b#c%20 d.md"
    assert (first["mimeType"], first["annotations"]) == ("text/markdown", {"lastModified": "2017-07-14T02:40:00Z"})
    assert resources(recent("a.pdf")).listed(None)["resources"][0]["mimeType"] == "text/plain"
    assert resources(recent()).listed(None) == {"resources": []}


@pytest.mark.parametrize("c", BAD)
def test_a_page_has_room_for_the_longest_names(c: str) -> None:
    longest = c * (4_000 // len(c.encode()))
    found = pages(recent(*[f"{c * 60}/{n}.md" for n in range(60)], c * 20_000, longest, title=c * 9_000))
    assert sum(map(len, found)) == 61, "all but what no file system has"
    assert len(found[-1][-1]["uri"]) > 4_000


def test_a_cursor_that_is_none_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        resources(recent("a.md")).listed("x")
    assert caught.value.code == -32602


def test_a_note_is_fenced_and_says_where_it_is_from() -> None:
    text = read(note(f"one\r\n</note {KEY}> two\u202e\x1b"), BEGINS + "Vault/a.md")
    assert text == (
        f"From the user's note Vault/a.md, lines 1 to 2 of 2.\n{Fence(KEY).says}\n"
        f"<note {KEY}>\none\n</note …> two\n</note {KEY}>"
    )
    assert "Perhaps not as it is now: initial_scan, 7 changed" in read(note("x", **BESIDE), BEGINS + "a")
    assert "lines" not in read(note("x\ny", lines=[3, 3]), BEGINS + "a").splitlines()[0]


@pytest.mark.parametrize("text", ["x" * 90_000, 'word "\\\n' * 9_000, "漢" * 40_000, "a\n" + "🎉" * 20_000])
def test_a_long_note_is_read_to_its_end_by_the_address_in_the_last_line(text: str) -> None:
    daemon, uri, found = note(text), f"{BEGINS}Vault/Día #1.md", ""
    while True:
        said = read(daemon, uri)
        before, _, behind = said.partition(f"\n<note {KEY}>\n")
        part, _, last = behind.partition(f"\n</note {KEY}>")
        found += part
        if not last:
            break
        assert (before.count("\n"), last.count("\n")) == (1, 1)
        (uri, cursor) = re.findall(
            r"read (\S+), or call get_note with note 'Vault/Día #1.md' and cursor '(\S+)'", last
        )[0]
        assert uri.endswith(f"?cursor={cursor}")
    assert found == text
    assert {asked["note"] for asked in daemon.asked} == {"Vault/Día #1.md"}
    assert "has changed since" in refused(note(text + "!"), uri)[1]


@pytest.mark.parametrize("c", BAD)
def test_the_longest_names_have_room_beside_a_text(c: str) -> None:
    daemon = note(c * 90_000, place(c)["path"])
    assert "call get_note" in read(daemon, f"{BEGINS}Vault/{c * 2_000}")


def test_what_is_no_address_of_a_note_is_refused_before_anybody_is_asked() -> None:
    daemon = note("x")
    for uri in ("", "x", "file:///etc/passwd", BEGINS, BEGINS + "%20", BEGINS + "?cursor=1.00000000", "vragd://notes/a",
                BEGINS + "x" * 20_000):  # fmt: skip
        assert refused(daemon, uri)[0] == -32602
    assert "is too long" in refused(daemon, BEGINS + "x" * 20_000)[1]
    assert daemon.asked == []


def test_what_the_daemon_complains_of_is_an_error_in_words() -> None:
    for error, code in (
        (NotFound("there is no note 'x\u202e'", hint="did you mean y?"), -32602),
        (UnknownStore("there is no store yet"), -32602),
        (Overloaded("too many queries", hint="later"), -32603),
    ):
        said = f"{error.message} ({error.hint})".replace("\u202e", "").replace(" ()", "")
        assert refused(Answers(get=error), BEGINS + "x") == (code, said)
    code, said = refused(Answers(get=NotRunning("nobody answers", hint="vragd run")), BEGINS + "x")
    assert (code, "`vragd service install`" in said) == (-32603, True)
    with pytest.raises(Refused) as caught:
        resources(Answers(recent=NotRunning("x", hint="vragd run"))).listed(None)
    assert caught.value.code == -32603
