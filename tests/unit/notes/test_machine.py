"""Machine text: left out and counted; what people write never."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from vragd.notes.chunk import read_note
from vragd.notes.model import LeftOut
from vragd.notes.page import read_page

VAULTS = Path(__file__).parents[2] / "vaults"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
RNG = random.Random(5)


def noise(n: int, alphabet: str = BASE64) -> str:
    return "".join(RNG.choice(alphabet) for _ in range(n))


MINIFIED = "!function(e,t){" + "".join(f"var {c}=e[{i}];t({c},{{a:{i}}});" for i, c in enumerate("abcdefgh" * 12)) + "}"
DRAWING = "```compressed-json\n" + "\n\n".join(noise(256) for _ in range(160)) + "\n```"


@pytest.mark.parametrize(
    "machine",
    [
        noise(300),
        noise(5_000) + "==",
        "\n".join(noise(76) for _ in range(20)) + "\n" + noise(30) + "==",
        "\n".join(noise(64, "0123456789abcdef") for _ in range(8)),
        noise(128, "0123456789abcdef"),
        "![](data:image/png;base64," + noise(4_000) + ")",
        MINIFIED,
        DRAWING,
        "```compressed-json\nN4IgL\n```",
        "```\n" + noise(2_000) + "\n```",
    ],
)
def test_machine_text_is_in_no_chunk_and_counted(machine: str) -> None:
    note = read_note(f"# Article\n\nAbout heat pumps.\n\n{machine}\n\nThe end.\n".encode(), "n")
    shown = "\n".join(chunk.text for chunk in note.chunks)
    assert len(shown) < 120
    assert "About heat pumps." in shown
    assert "The end." in shown
    (left, *rest) = note.left_out
    assert left.reason == "machine_text"
    assert left.n_bytes >= 0.8 * len(machine.replace("\n", "")) - 40
    assert not rest or rest[0].reason == "wordless"


def test_in_properties_it_is_no_word_of_the_note_and_counted_with_the_rest() -> None:
    banner, key = f"data:image/png;base64,{noise(4_000)}", noise(64, "0123456789abcdef")
    head = f"banner: {banner}\nby: Ada {noise(300)} Lovelace\nkeys: [{key}, {key}, {key}]"
    note = read_note(f"---\n{head}\n---\nText.\n\n{noise(300)}".encode(), "n")
    assert note.words.split("\n") == ["Ada … Lovelace", key, key, key]
    assert note.left_out == (LeftOut("machine_text", 3, 300 + len(banner) + 300),)
    assert note.properties["banner"] == banner


def test_within_a_line_it_is_shown_as_an_ellipsis() -> None:
    uri = "data:image/png;base64," + noise(400)
    note = read_note(f"before ![]({uri}) after".encode(), "n")
    assert [chunk.text for chunk in note.chunks] == ["before ![](…) after"]
    assert note.left_out == (LeftOut("machine_text", 1, len(uri)),)


@pytest.mark.parametrize(
    "human",
    [
        "https://example.com/a/very/long/path/that-goes-on-and-on/with-many-words/and-some-more/" * 4,
        "https://example.com/search?q=heat+pumps&hl=en&source=web&page=2&sort=date&filter=new&lang=de&x=" + "a" * 40,
        "/usr/share/doc/some-package-with-a-long-name/examples/of-what-people-write/in-their-notes/1234567890.txt" * 3,
        "x" * 3_000,
        "donaudampfschifffahrtsgesellschaftskapitän" * 40,
        "sha512-" + noise(86) + "==",
        "ACGT" * 300,
        "日本語の長い文章です" * 100,
        "=" * 400,
        "| a | b |\n|" + "-" * 300 + "|---|\n| 1 | 2 |",
        "for (int i = 0; i < n; i++) { total += values[i]; } " * 20,
        "1234567890" * 40,
        "this-is-a-slug-of-words-that-goes-on-" * 10,
    ],
)
def test_what_people_write_is_no_machine_text(human: str) -> None:
    page = read_page(f"A word.\n\n{human}".split("\n"))
    assert not [left for left in page.left_out if left.reason == "machine_text"]


def test_nothing_in_a_vault_written_by_a_person_is_machine_text() -> None:
    for path in sorted((VAULTS / "kepano").rglob("*.md")):
        note = read_note(path.read_bytes(), path.stem)
        assert not [left for left in note.left_out if left.reason == "machine_text"], path


@pytest.mark.parametrize(
    "text", ["---\n", "- \n", "\u200b\n", "* * *\n\n***\n", "```\n```", "![](a.png)", "%%\n\n%%", "🚀"]
)
def test_a_passage_without_a_word_is_no_chunk(text: str) -> None:
    note = read_note(text.encode(), "n")
    assert note.chunks == ()
    assert all(left.reason in ("wordless", "comment") for left in note.left_out)
    assert sum(left.n_lines for left in note.left_out) == sum(1 for line in text.split("\n") if line.strip())
