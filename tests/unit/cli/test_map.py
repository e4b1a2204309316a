"""`vragd map`: what it writes, where it does not, and what it says beside it."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as XML

import pytest

from vragd.cli.main import main
from vragd.cli.map import png, svg
from vragd.cli.map.colours import PALETTE, coloured
from vragd.cli.map.command import made
from vragd.errors import UsageError, VragdError

NAME = "{http://www.w3.org/2000/svg}"


def note(path: str, x: float = 0.0, y: float = 0.0, title: str = "") -> dict[str, Any]:
    return {
        "id": "0" * 16, "path": path, "title": title or path, "source": "Vault", "folder": path.rpartition("/")[0],
        "tags": [], "x": x, "y": y,
    }  # fmt: skip


def picture(*notes: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = {"store": "notes", "space": "s", "state": "ready" if notes else "empty", "notes": list(notes)}
    return {**found, "links": [], "regions": [], "without": 0, "reason": "", "generation": 1, **more}


class Daemon:
    """Answers so, one after the other; the last goes on."""

    def __init__(self, *answers: Sequence[dict[str, Any]], sources: Sequence[str] = ()) -> None:
        self.answers, self.sources, self.asked, self.is_daemon = list(answers), sources, list[str](), True

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        self.asked.append(target)
        if target == "/v1/stores":
            return {"stores": [{"name": "notes", "sources": list(self.sources)}]}
        return {"pictures": self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]}


def test_svg_has_every_note_with_its_path_links_regions_and_both_schemes() -> None:
    regions = [{"name": "bread, oven", "x": 0.5, "y": 0.5, "notes": 2}]
    found = svg.drawn(picture(note("a/b.md", 1, 1), note("c.md", -1, -1), links=[[0, 1]], regions=regions)).decode()
    root = XML.fromstring(found)
    circles = root.findall(f".//{NAME}circle")
    assert root.findtext(f"{NAME}title") == "notes: 2 notes, placed by meaning"
    assert b"<title>notes: 1 note, placed by meaning</title>" in svg.drawn(picture(note("a.md")))
    assert [(one.get("cx"), one.get("cy")) for one in circles] == [("960.0", "40.0"), ("40.0", "960.0")]
    assert [one.findtext(f"{NAME}title") for one in circles] == ["a/b.md\nVault/a/b.md", "c.md\nVault/c.md"]
    line = root.find(f".//{NAME}line")
    assert line is not None
    assert [line.get(end) for end in ("x1", "y1", "x2", "y2")] == ["960.0", "40.0", "40.0", "960.0"]
    assert [one.text for one in root.findall(f".//{NAME}text")] == ["bread, oven"]
    assert "prefers-color-scheme:dark" in found
    assert not re.search(r"<script|href|url\(|@import", found)


def test_names_of_regions_are_inside_and_not_upon_each_other() -> None:
    regions = [
        {"name": f"a long name {i}", "x": x, "y": 0.9, "notes": 9 - i} for i, x in enumerate((1, 1, 1, 1, 1, -1))
    ]
    root = XML.fromstring(svg.drawn(picture(note("a.md"), regions=regions)).decode())
    names = root.findall(f".//{NAME}text")
    assert [one.text for one in names] == [f"a long name {i}" for i in (0, 1, 2, 3, 5)]  # the fifth has no room
    places = [(float(one.get("x") or 0), float(one.get("y") or 0)) for one in names]
    assert len(set(places)) == 5
    assert all(50 <= x <= 950 and 10 <= y <= 990 for x, y in places)


def test_whatever_stands_in_a_note_svg_stays_xml() -> None:
    evil = "</title><script>alert(1)</script>&\x00\x08\x1b\ufffe\ud800\"' 🎈"
    found = svg.drawn(picture(note(evil, title=evil), store=evil, regions=[{"name": evil, "x": 0, "y": 0, "notes": 1}]))
    root = XML.fromstring(found.decode())
    assert {one.tag for one in root.iter()} == {
        f"{NAME}{tag}" for tag in ("svg", "title", "style", "g", "circle", "text")
    }
    assert "</title><script>alert(1)</script>&\"' 🎈" in (root.findtext(f".//{NAME}circle/{NAME}title") or "")


def test_png_has_every_note_in_its_colour_on_white() -> None:
    data = png.drawn(picture(note("a/b.md", 0.5, 0.5), note("c.md", -1, -1)))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    (n,) = struct.unpack(">I", data[33:37])
    assert data[37:41] == b"IDAT"
    rows = zlib.decompress(data[41 : 41 + n])
    assert len(rows) == png.SIZE * (3 * png.SIZE + 1)

    def pixel(x: float, y: float) -> str:
        column, row = (int(png.SIZE / 2 + at * (png.SIZE / 2 - png.MARGIN)) for at in (x, -y))
        at = row * (3 * png.SIZE + 1) + 1 + 3 * column
        return rows[at : at + 3].hex()

    assert (pixel(0.5, 0.5), pixel(-1, -1), pixel(0, 0)) == (PALETTE[0], "8a8a8a", "ffffff")


def test_the_largest_folders_at_the_top_have_colours() -> None:
    notes = [note("b/x/1.md"), note("b/2.md"), note("a/1.md"), note("top.md"), *(note(f"{i}/1.md") for i in range(9))]
    assert coloured(notes) == [0, 0, 9, 9, *range(1, 9), 9]  # as many as there are, then by name


def test_json_has_every_store_an_image_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = [picture(note("a.md")), picture(note("b.md"), store="other", without=2, reason="too_slow")]
    file = str(tmp_path / "map.json")
    assert json.loads(made(Daemon(two), file, ".json", ())) == {"pictures": two}
    said = capsys.readouterr().err
    assert "2 notes of 'other' not in the picture" in said
    assert "'other' could not be laid out anew: it takes too long (vragd logs)" in said
    assert all(len(line) <= 80 for line in said.splitlines())
    with pytest.raises(UsageError, match="2 stores have notes: notes, other"):
        made(Daemon(two), file, ".svg", ())
    daemon = Daemon([picture(note("a.md")), picture(store="empty")])
    assert made(daemon, "-", ".svg", ["a b", "c"]).startswith(b"<svg")
    assert daemon.asked == ["/v1/map?wait_s=0&store=a+b&store=c"]
    with pytest.raises(VragdError, match="no note with a vector yet"):
        made(Daemon([picture()]), file, ".png", ())


def test_a_store_of_words_alone_is_told_from_one_that_is_not_indexed_yet(capsys: pytest.CaptureFixture[str]) -> None:
    words = picture(store="words", without=3, words_alone=True)
    with pytest.raises(VragdError, match="without a model no note has a vector"):
        made(Daemon([words]), "-", ".svg", ())
    assert capsys.readouterr().err == ""
    with pytest.raises(VragdError, match="yet"):
        made(Daemon([words, picture()]), "-", ".svg", ())
    assert made(Daemon([words, picture(note("a.md"))]), "-", ".svg", ()).startswith(b"<svg")
    assert capsys.readouterr().err == "note: 'words' keeps words alone: it has no vectors to place its notes by\n"


@pytest.mark.parametrize(
    ("is_daemon", "reason", "hint"),
    [(True, "not_kept", "vragd logs"), (False, "not_kept", "data directory"), (False, "crashed", "")],
)
def test_where_no_layout_could_be_made_that_is_what_is_said(is_daemon: bool, reason: str, hint: str) -> None:
    daemon = Daemon([picture(store="other"), picture(reason=reason)])
    daemon.is_daemon = is_daemon
    with pytest.raises(VragdError, match="the notes of 'notes' could not be placed") as raised:
        made(daemon, "-", ".svg", ())
    assert hint in raised.value.hint and ("logs" in raised.value.hint) is is_daemon


def test_what_is_computed_is_waited_for_and_nothing_is_said_of_it_but_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon = Daemon([picture(state="computing")], [picture(note("a.md"), state="computing")], [picture(note("a.md"))])
    assert made(daemon, "-", ".png", ()).startswith(b"\x89PNG")
    assert daemon.asked == [f"/v1/map?wait_s={wait_s}" for wait_s in (0, 1, 1)]
    assert capsys.readouterr().err == ""


def test_nothing_is_written_into_a_source_or_over_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for inside in ("folder/map.svg", "link/map.svg", "folder/deep/map.svg"):
        with pytest.raises(UsageError, match="is inside the vault"):
            made(Daemon([picture()], sources=[str(tmp_path / "folder")]), str(tmp_path / inside), ".svg", ())
    with pytest.raises(UsageError, match="is a folder"):
        made(Daemon([picture()]), str(tmp_path), ".svg", ())


@pytest.mark.parametrize("name", ["map", "map.gif", "svg"])
def test_another_kind_of_file_is_refused_before_anything_is_asked(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert main(["map", "--out", name]) == 2
    assert f"{name} is no .svg, .png or .json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        (["--out", "folder/.PNG"], "folder/.PNG has no name before .png", "map.svg"),
        (["--out", ""], "what is given for out is empty", "not set?\n"),
        (["--out", "map.svg", "--store", ""], "what is given for store is empty", "leave it out to mean all"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(
    given: list[str], said: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert main(["map", *given]) == 2
    told = capsys.readouterr().err
    assert said in told and hint in told
