"""`vragd find` on a terminal: what is typed, what is shown, what becomes of the note that is picked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Vragd, vragd
from tests.terminal import Screen, screen_of

pytestmark = pytest.mark.slow

UP, DOWN, ENTER, ESCAPE, CTRL_C, CTRL_E, CTRL_U = "\x1b[A", "\x1b[B", "\r", "\x1b", "\x03", "\x05", "\x15"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    with vragd(tmp_path_factory.mktemp("home")) as instance:
        (instance.vault / ".obsidian").mkdir()
        for name in ("Heron", "Numbat", "Quokka"):
            text = f"# {name}\n\n## Seen\n\nThe {name.lower()} came back to the old mill pond, and stood there.\n"
            (instance.vault / f"{name}.md").write_text(text)
        (instance.vault / "Evil \u202egnp.md").write_text("# Bidi\n\nAn otter \x1b[31m at the weir.\n")
        instance.start()
        yield instance


@pytest.fixture
def told(daemon: Vragd, tmp_path: Path) -> Path:
    for name in ("xdg-open", "open", "vim"):
        (tmp_path / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "${{0##*/}}" "$@" > "{tmp_path}/told"\n')
        (tmp_path / name).chmod(0o755)
    return tmp_path / "told"


def env(daemon: Vragd, told: Path) -> dict[str, str]:
    return daemon.env | {"PATH": f"{told.parent}:{os.environ['PATH']}", "EDITOR": "vim"}


def chosen(text: str) -> str:
    """The row that is marked."""
    return next((line[2:] for line in text.split("\n")[2:] if line.startswith("> ")), "")


def sees(screen: Screen, name: str) -> str:
    return screen.until(lambda text: chosen(text).startswith(name), f"{name} to be chosen")


def test_a_note_is_found_as_its_question_is_typed_and_opened(daemon: Vragd, told: Path) -> None:
    with screen_of("find", env=env(daemon, told), cwd=daemon.home) as screen:
        screen.until(lambda text: "Enter opens in Obsidian" in text, "the keys to be told")
        screen.type("heron")
        assert "> heron" in sees(screen, "Heron")
        shown = screen.until(lambda text: "The heron came back to the old mill pond" in text, "the preview")
        assert "Vault/Heron.md:" in shown
        screen.type(CTRL_U + "numbat")
        assert "Heron" not in chosen(sees(screen, "Numbat"))
        screen.type(ENTER)
        assert screen.ends() == 0
        assert "opens Numbat in Obsidian" in screen.text
    opener, link = told.read_text().splitlines()
    assert opener in ("xdg-open", "open")
    assert link.startswith("obsidian://open?path=") and "Numbat" in link


def test_another_one_is_chosen_with_the_arrows_and_edited_at_its_line(daemon: Vragd, told: Path) -> None:
    with screen_of("find", "mill", "pond", env=env(daemon, told), cwd=daemon.home, columns=130) as screen:
        first = chosen(screen.until(lambda text: bool(chosen(text)), "hits"))
        assert "1 of 3 hits" in screen.text
        assert "│" in screen.text, "the preview stands beside the list"
        screen.type(UP + DOWN)
        shown = screen.until(lambda text: "2 of 3 hits" in text, "the second")
        assert chosen(shown) != first
        name = chosen(shown).split()[0]
        screen.type(CTRL_E)
        assert screen.ends() == 0
    editor, line, file = told.read_text().splitlines()
    assert (editor, line, file) == ("vim", "+5", str(daemon.vault / f"{name}.md"))


@pytest.mark.parametrize("key", [ESCAPE, CTRL_C])
def test_whoever_leaves_has_opened_nothing(daemon: Vragd, told: Path, key: str) -> None:
    with screen_of("find", "heron", env=env(daemon, told) | {"NO_COLOR": "1"}, cwd=daemon.home) as screen:
        sees(screen, "Heron")
        screen.type(key)
        assert screen.ends() == 1
    assert not told.exists()


def test_it_says_why_there_is_nothing_and_shows_no_character_that_turns_others(daemon: Vragd, told: Path) -> None:
    with screen_of("find", env=env(daemon, told), cwd=daemon.home) as screen:
        screen.type("asdfghjkl")
        screen.until(lambda text: "no good match" in text or "no hits" in text, "that there is none")
        screen.type(CTRL_U + 'file:"to be')
        screen.until(lambda text: "quote" in text or "closed" in text, "the mistake")
        screen.type(CTRL_U + "otter")
        shown = screen.until(lambda text: "Evil" in chosen(text), "the note")
        assert "Evil <U+202E>gnp" in shown
        assert "<U+001B>[31m at the weir" in shown
        screen.type(ESCAPE)
        assert screen.ends() == 1


def test_without_a_daemon_a_terminal_or_the_library_it_says_so(daemon: Vragd, told: Path) -> None:
    piped = daemon.run("find", "heron")
    assert (piped.returncode, "needs a terminal" in piped.stderr) == (2, True)
    with screen_of("find", env=env(daemon, told) | {"VRAGD_SOCKET": str(told)}, cwd=daemon.home) as screen:
        assert screen.ends() == 3
        assert "no vragd is running" in screen.text
    (told.parent / "prompt_toolkit.py").write_text("raise ModuleNotFoundError('none', name='prompt_toolkit')\n")
    without = env(daemon, told) | {"PYTHONPATH": str(told.parent)}
    with screen_of("find", env=without, cwd=daemon.home) as screen:
        assert screen.ends() == 2
        assert "pipx inject vragd prompt_toolkit" in screen.text
