"""A hit is opened, or edited at its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vragd.cli.opening import chosen, editing, line_of, open_hit
from vragd.errors import UsageError, VragdError
from vragd.system.places import MACOS

HIT = {"file": "/v/a b.md", "uri": "obsidian://open?path=%2Fv%2Fa%20b", "lines": [3, 9], "excerpt_lines": [5, 5]}


@pytest.mark.parametrize(
    ("editor", "command"),
    [
        ("vim", ["vim", "+5", "/v/a b.md"]),
        ("/usr/bin/nvim -R", ["/usr/bin/nvim", "-R", "+5", "/v/a b.md"]),
        ("nano", ["nano", "+5", "/v/a b.md"]),
        ("emacsclient -t", ["emacsclient", "-t", "+5", "/v/a b.md"]),
        ("code --wait", ["code", "--wait", "--goto", "/v/a b.md:5"]),
        ("hx", ["hx", "/v/a b.md:5"]),
        ("kate", ["kate", "--line", "5", "/v/a b.md"]),
        ("'/opt/my editor/vi'", ["/opt/my editor/vi", "+5", "/v/a b.md"]),
        ("unheard-of", ["unheard-of", "/v/a b.md"]),
    ],
)
def test_an_editor_is_told_the_line_as_it_takes_it(editor: str, command: list[str]) -> None:
    assert editing(HIT, {"EDITOR": editor}) == command
    assert editing(HIT, {"VISUAL": editor, "EDITOR": "ed"}) == command


def test_a_hit_whose_words_are_in_its_properties_is_edited_at_its_passage() -> None:
    assert editing(HIT | {"excerpt_lines": [0, 0]}, {"EDITOR": "vi"})[1] == "+3"


def test_the_line_is_that_of_the_first_word_that_matched() -> None:
    hit = HIT | {"text": "one\n\ntwo herons\nthree", "lines": [3, 6], "excerpt": "one two herons", "spans": [[8, 14]]}
    assert line_of(hit | {"excerpt_lines": [3, 5]}) == 5
    assert line_of(hit | {"excerpt_lines": [3, 5], "text": "a page of herons"}) == 3
    assert line_of(hit | {"excerpt_lines": [4, 4], "excerpt": "cut otherwise", "spans": [[0, 3]]}) == 4


def test_without_an_editor_of_ones_own_it_is_said_which_one_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nano").write_text("")
    (tmp_path / "nano").chmod(0o755)
    assert editing(HIT, {"PATH": str(tmp_path)})[0] == "nano"
    assert "neither VISUAL nor EDITOR is set, so nano edits; export EDITOR=" in capsys.readouterr().err
    editing(HIT, {"EDITOR": "vi"})
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(MACOS, reason="open(1) has no such status")
@pytest.mark.parametrize(("uri", "what"), [(HIT["uri"], "obsidian: links"), ("", "such files")])
@pytest.mark.parametrize(("status", "why"), [(3, "no program on this machine opens {}"), (4, "{} could not be opened")])
def test_why_nothing_was_opened_is_said_in_words(uri: str, what: str, status: int, why: str, tmp_path: Path) -> None:
    (tmp_path / "xdg-open").write_text(f"#!/bin/sh\nexit {status}\n")
    (tmp_path / "xdg-open").chmod(0o755)
    with pytest.raises(VragdError) as refused:
        open_hit(HIT | {"uri": uri}, {"PATH": str(tmp_path)})
    assert refused.value.message == f"{why.format(what)} (xdg-open ended with {status})"
    assert "or open /v/a b.md yourself" in refused.value.hint


def test_what_cannot_be_edited_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no text to edit"):
        editing(HIT | {"file": "/v/a.PDF"}, {"EDITOR": "vi"})
    with pytest.raises(UsageError, match="no editor"):
        editing(HIT, {"PATH": str(tmp_path)})
    with pytest.raises(UsageError, match="not closed"):
        editing(HIT, {"EDITOR": "vi 'x"})


def test_hits_are_chosen_by_the_number_they_are_printed_with() -> None:
    answer = {"hits": [HIT, HIT | {"file": ""}]}
    assert chosen(answer, 11, 11) is HIT
    for number in (10, 13, 0, -1):
        with pytest.raises(UsageError, match=f"no hit {number}"):
            chosen(answer, number, 11)
    with pytest.raises(UsageError, match="in no file"):
        chosen(answer, 12, 11)


def opener(folder: Path, script: str) -> dict[str, str]:
    for name in ("xdg-open", "open"):
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_hit_is_opened_by_its_link_or_its_file(tmp_path: Path) -> None:
    told = tmp_path / "told"
    environ = opener(tmp_path, f'printf "%s\\n" "$@" >> "{told}"')
    assert open_hit(HIT, environ) == HIT["uri"]
    assert open_hit(HIT | {"uri": ""}, environ) == "file:///v/a%20b.md"
    assert told.read_text().splitlines() == [HIT["uri"], "file:///v/a%20b.md"]


def test_an_opener_that_fails_or_is_not_there_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(VragdError, match="ended with 3") as caught:
        open_hit(HIT, opener(tmp_path, "exit 3"))
    assert "--edit" in caught.value.hint
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(VragdError, match="not here") as caught:
        open_hit(HIT, {"PATH": str(empty)})
    assert str(HIT["uri"]) in caught.value.hint
