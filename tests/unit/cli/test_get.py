"""What people see of a note that is read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_links import file
from vragd.cli.get import print_got
from vragd.cli.links import named
from vragd.cli.main import main
from vragd.cli.query import print_hits


def answer(**more: Any) -> dict[str, Any]:
    said = {
        "note": file("A.md"), "place": "", "id": "", "heading": [], "lines": [3, 4], "n_lines": 9, "text": "one\n\ttwo",
        "changed": False, "parts": [], "copies": [], "generation": 1, "pending": 0, "degraded": [],
    }  # fmt: skip
    return {**said, **more}


def test_the_text_alone_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_got(answer())
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("one\n\ttwo\n", "Vault/A.md:3-4\n")


def test_what_is_to_be_known_of_it_stands_beside(capsys: pytest.CaptureFixture[str]) -> None:
    copies = [file(f"{i}.md") for i in range(4)]
    print_got(answer(changed=True, copies=copies, pending=2, degraded=["initial_scan"], text="\033[1mbold"))
    seen = capsys.readouterr()
    assert "\033" not in seen.out
    for part in (
        "changed: ",
        "in 4 other places: Vault/0.md, Vault/1.md, Vault/2.md…",
        "2 files are",
        "still being looked through",
    ):
        assert part in seen.err


def test_an_empty_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", ""]) == 2
    assert "what is given for note is empty" in capsys.readouterr().err


def test_a_path_from_the_current_folder_keeps_what_stands_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "A.md").touch()
    monkeypatch.chdir(tmp_path)
    for behind in ("", ":3", ":3-7", "#One#Two", "#^block"):
        assert named(f"./A.md{behind}") == f"{tmp_path.resolve()}/A.md{behind}"


def test_a_hit_shows_its_id_behind_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    hit = {
        "source": "Vault", "path": "A.md", "title": "A", "heading": [], "lines": [1, 2], "score": 0.5, "text": "",
        "id": "0abcdefg",
    }  # fmt: skip
    print_hits({"hits": [hit], "pending": 0, "degraded": []})
    assert "   Vault/A.md:1-2  0abcdefg" in capsys.readouterr().out.splitlines()
