"""Where a note may say no: in all that its author wrote before the text, whatever a program takes of it."""

from __future__ import annotations

import time

import pytest

from vragd.notes.chunk import read_note
from vragd.notes.model import NotIndexable
from vragd.notes.optout import OPT_OUT

NO = "vragd: false"


def is_out(data: bytes | str, suffix: str = ".md") -> bool:
    try:
        read_note(data if isinstance(data, bytes) else data.encode(), "x", suffix)
    except NotIndexable as error:
        assert error.reason == "opted_out"
        return True
    return False


@pytest.mark.parametrize(
    "text",
    [
        f"---\ntitle: x\n...\n{NO}\n---\nt",
        f"---\ntitle: x\n...\n\n{NO}\n...\n---\nt",
        f"---\ntitle: x\n...\n--- \n{NO}\n---\nt",
        f"---\ntitle: x\n... # of the first\n{NO}\n---\nt",
        f"---\na: 1\n...\nb: 2\n...\n{NO}\n---\nt",
        f"---\n...\n{NO}\n---\nt",
        '---\ntitle: x\n...\n"vragd": no\n---\nt',
        "---\ntitle: x\n...\n{a: b, vragd: no}\n---\nt",
        "---\ntitle: x\n...\nvragd: mine, and private\n---\nt",
        "---\ntitle: x\n...\n? |-\n  vragd\n: false\n---\nt",
        "---\ntitle: x\n...\nb: [\n? |-\n  x\n: y\n  vragd: false\n---\nt",
        f"---\ntitle: x\n...\n{NO}\n\ntext",
    ],
)
def test_a_second_document_counts(text: str) -> None:
    assert is_out(text)
    assert is_out(text.replace("\n", "\r\n"))
    assert is_out(text.replace("\n", "\r"))


@pytest.mark.parametrize(
    "text",
    [
        f"---\n%YAML 1.2\n---\n{NO}\n---\nt",
        f"%YAML 1.2\n---\n{NO}\n---\nt",
        f"%TAG ! tag:x,2000:\n# mine\n---\n{NO}\n---\nt".replace("# mine\n", ""),
        f"--- # private\n{NO}\n---\nt",
        "--- {vragd: false}\n---\nt",
        "--- !!map\nvragd: false\n---\nt",
        "\n" * 25 + f"---\n{NO}\n---\nt",
        f" \t\n\f---\n{NO}\n---\nt",
        f"\ufeff\ufeff---\n{NO}\n---\nt",
        f"—-\n{NO}\n—-\nt",
        f"–--\n{NO}\n–--\nt",
        "+++\nvragd = false\n+++\nt",
        "+++\ntitle = 'x'\nvragd = \"no\" # mine\n[table]\n+++\nt",
    ],
)
def test_it_begins_however_people_and_their_tools_begin_it(text: str) -> None:
    assert is_out(text)


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_a_line_ends_where_any_program_ends_one(end: str) -> None:
    assert is_out(f"---\ntitle: x{end}{NO}\n---\nt")
    assert is_out(f"---{end}{NO}{end}---{end}t")


@pytest.mark.parametrize(
    "properties",
    [
        "“vragd”: false",
        "vragd: ‘false’",
        "vra\0gd: false",
        "\x07vragd: false",
        "x: &k vragd\n*k : false\nb: [",
        "x: &k 'vragd'\n*k: false\nb: [",
        "' vragd ': false\nb: [",
        "x: &a\n  vragd: false\n!!merge <<: *a\nb: [",
        "vragd:\n\n# of mine\n\n  false",
    ],
)
def test_a_key_counts_as_it_is_seen_also_in_what_is_broken(properties: str) -> None:
    assert is_out(f"---\n{properties}\n---\n{'t' * 500}")


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: x\n...\n\nOf vragd.\n\n```yaml\nvragd: false\n```\n\n---\n",
        "---\ntitle: x\n...\n~~~\nvragd: false\n~~~\n---\n",
        "---\ntitle: x\n...\n\nvragd: false is how a note opts out.\n\n---\n",
        "---\ntitle: x\n...\n# Head\n\ntext\n\n---\n\nvragd: false\n",
        "---\na: 1\n...\nb: |\n  vragd: false\n---\nt",
        "---\na: 1\n...\nb:\n  vragd: false\n---\nt",
        "---\na: 1\n...\nvragd: true\n---\nt",
        "---\nx:\n- vragd: false\n---\nt",
        "---\nx:\n- a: 1\n  vragd: false\n- b\n---\nt",
        "---\na: 'it''s\n  vragd: false'\n---\nt",
        '---\na: "he said \\"no\\"\n  vragd: false"\n---\nt',
        "---\nvragd:\n\n  true\n---\nt",
        "---\nx: &vragd false\ny: *vragd\n---\nt",
        "+++\nvragd = true\n+++\nt",
        "+++\n[x]\nvragd = false\n+++\nt",
        "+++\ntext\n",
        "+++ vragd: false\n",
        "---\n---\nvragd: false\n---\n",
        "---\n# a comment\n---\nvragd: false\n---\n",
        "%\ntext\n---\nvragd: false\n---\n",
    ],
)
def test_text_and_what_stands_within_anothers_value_say_nothing(text: str) -> None:
    assert not is_out(text)


def test_what_is_read_as_plain_text_says_no_there_too() -> None:
    assert is_out(f"---\na: 1\n...\n{NO}\n---\nt", ".py")
    assert is_out(f"---\na: 1\n...\n{NO}\n---\nt", ".txt")
    assert read_note(b"---\na: 1\n...\nai: false\n---\nt", "x").closed


def test_all_of_it_is_looked_through_at_once() -> None:
    started = time.monotonic()
    for line in (
        "...\n" * 50_000,
        "...\n---\n" * 25_000,
        "a: &a" + "&a" * 25_000,
        "x: " + "&k vragd " * 50_000 + "\n*k",
        "*k : " * 25_000 + "&k vragd",
        "vragd\u2028" * 25_000,
        "x:\n" + "- vragd:\n" * 50_000,
        "\n" * 100_000 + "vragd",
        "'" + "''" * 50_000 + "vragd",
    ):
        OPT_OUT.says_no(f"---\n{line}\n---\n".split("\n"))
        OPT_OUT.says_no(f"---\na: 1\n...\n{line}\n---\n".split("\n"))
    assert time.monotonic() - started < 10
