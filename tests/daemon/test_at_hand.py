"""Answers as people and scripts get them: on a terminal, in a pipe, opened, edited; and what a command ends with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Vragd, vragd
from tests.terminal import on_terminal

ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;[^\x1b]*\x1b\\")
NAME = "Heron at the mill \u202egnp.md"
TEXT = "# At the water\n\n" + "The heron came back to the old mill pond this morning, and stood there for an hour. " * 3


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    with vragd(tmp_path_factory.mktemp("home")) as instance:
        (instance.vault / ".obsidian").mkdir()
        (instance.vault / NAME).write_text(TEXT)
        instance.start()
        yield instance


def test_on_a_terminal_an_answer_is_wrapped_marked_and_linked(daemon: Vragd) -> None:
    shown, status = on_terminal("query", "heron", env=daemon.env, cwd=daemon.home, columns=50)
    assert status == 0
    assert "\x1b[1;31mheron\x1b[0m" in shown
    assert f"\x1b]8;;obsidian://open?path={str(daemon.vault).replace('/', '%2F')}%2FHeron%20at" in shown
    assert "%E2%80%AEgnp" in shown
    assert "\u202e" not in shown
    plain = ESCAPES.sub("", shown)
    assert max(len(line) for line in plain.splitlines()) <= 50
    assert "\x1b" not in plain


def test_in_a_pipe_an_answer_is_plain_unless_colours_are_asked_for(daemon: Vragd) -> None:
    plain = daemon.run("query", "heron")
    assert (plain.returncode, "\x1b" in plain.stdout) == (0, False)
    assert "<U+202E>" in plain.stdout
    assert "\x1b[1;31mheron" in daemon.run("query", "heron", "--color", "always").stdout
    assert "\x1b[1;31mheron" in daemon.run("query", "heron", FORCE_COLOR="1").stdout
    assert on_terminal("query", "heron", "--color", "never", env=daemon.env, cwd=daemon.home)[0].count("\x1b") == 0


def test_paths_can_be_passed_on(daemon: Vragd) -> None:
    file = str(daemon.vault / NAME)
    assert daemon.run("query", "heron", "-l").stdout == file + "\n"
    for flags in (["-0"], ["-l0"], ["-0l"], ["-l", "-0"]):
        assert daemon.run("query", "heron", *flags).stdout == file + "\0"


def test_a_hit_is_edited_at_its_line_in_the_users_editor(daemon: Vragd, tmp_path: Path) -> None:
    editor, told = tmp_path / "vim", tmp_path / "told"
    editor.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{told}"\nexit 7\n')
    editor.chmod(0o755)
    done = daemon.run("query", "heron", "--edit", "1", VISUAL=str(editor))
    assert done.returncode == 7, done.stderr
    assert told.read_text().splitlines() == ["+3", str(daemon.vault / NAME)]
    none = daemon.run("query", "heron", "--edit", "1", VISUAL=str(tmp_path / "none"))
    assert (none.returncode, "cannot run" in none.stderr) == (2, True)


def test_a_hit_is_opened_where_the_desktop_opens_links(daemon: Vragd, tmp_path: Path) -> None:
    told = tmp_path / "told"
    for name in ("xdg-open", "open"):
        (tmp_path / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{told}"\n')
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = daemon.run("query", "heron", "--open", "1", PATH=path)
    assert done.returncode == 0, done.stderr
    assert told.read_text().startswith("obsidian://open?path=%2F")
    for flags, says in ((["--open", "9"], "no hit 9"), (["--open", "1", "--edit", "1"], "leave one of them out")):
        refused = daemon.run("query", "heron", *flags, PATH=path)
        assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr


def test_nothing_found_is_one_and_a_failure_another_number(daemon: Vragd) -> None:
    for args in (["query", "asdfghjkl"], ["query", "asdfghjkl", "--json"], ["query", "asdfghjkl", "--open", "1"],
                 ["query", "asdfghjkl", "-l"], ["similar", "Heron at the mill \u202egnp"]):  # fmt: skip
        assert daemon.run(*args).returncode == 1, args
    assert daemon.run("get", "no such note").returncode == 4
    assert daemon.run("query", "heron", "-s", "nope").returncode == 2
    assert daemon.run("query", "heron", VRAGD_SOCKET=str(daemon.home / "none")).returncode == 3


def test_without_a_daemon_words_answer_from_what_was_indexed(tmp_path: Path) -> None:
    with vragd(tmp_path) as instance:
        for name in ("Heron", "Mine"):
            (instance.vault / f"{name}.md").write_text("# Seen\n\nA heron at the pond.\n")
        instance.start()
        instance.stop()
        (instance.vault / "Mine.md").write_text("---\nvragd: false\n---\nA heron at the pond.\n")
        found = instance.run("query", "heron", VRAGD_SOCKET="")
        assert (found.returncode, "no vragd runs" in found.stderr, "1 file is new or changed" in found.stderr) == (
            0,
            True,
            True,
        )
        assert ("Heron.md" in found.stdout, "Mine" in found.stdout) == (True, False)
        told = json.loads(instance.run("query", "heron", "--json", VRAGD_SOCKET="").stdout)
        assert (told["degraded"], [hit["path"] for hit in told["hits"]]) == (["no_daemon"], ["Heron.md"])
        assert instance.run("query", "gull", VRAGD_SOCKET="").returncode == 1
        for flags in (["--fresh"], ["--mode", "vector"], ["--socket", str(tmp_path / "none")]):
            refused = instance.run("query", "heron", *flags, VRAGD_SOCKET="")
            assert (refused.returncode, "no vragd is running" in refused.stderr) == (3, True), flags


def test_what_is_longer_than_the_terminal_goes_through_the_pager_and_nothing_else(
    daemon: Vragd, tmp_path: Path
) -> None:
    pager, told = tmp_path / "mypager", tmp_path / "told"
    pager.write_text(f'#!/bin/sh\necho "$LESS" > "{told}"\nhead -n 3\n')
    pager.chmod(0o755)
    env = daemon.env | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PAGER": "mypager"}
    env.pop("LESS", None)

    def shown(*args: str, **more: str) -> list[str]:
        answer, status = on_terminal(*args, env=env | more, cwd=daemon.home, columns=30)
        assert status == 0, answer
        stays = re.sub(r"[^\n]*\r\x1b\[K", "", answer)  # without what was written over
        return ESCAPES.sub("", stays).splitlines()

    whole = shown("doctor", "--no-pager")
    assert len(whole) > 24
    assert not told.exists()
    assert shown("doctor")[:3] == whole[:3]
    assert (len(shown("doctor")), told.read_text()) == (3, "FRX\n")
    told.unlink()
    assert len(shown("query", "heron")) < 24
    assert not told.exists(), "what fits is not paged"
    for other in ("", "cat", "no-such-program", "'"):
        assert len(shown("doctor", PAGER=other)) == len(whole)
    assert len(shown("doctor", TERM="dumb")) == len(whole)
    assert len(daemon.run("doctor", PAGER=str(pager)).stdout.splitlines()) > 10
    assert not told.exists(), "nor what is no terminal"
