"""`vragd map` with a daemon and without one: the same picture, and nothing hidden in it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from tests.daemon.test_excluded import exclude
from tests.harness import Vragd, until, vragd
from tests.terminal import on_terminal

WORDS = {"Bread": "sourdough flour oven crust", "Trees": "oak bark leaf forest", "Private": "wombat burrow pouch"}


def mapped(daemon: Vragd) -> list[dict[str, Any]]:
    """The notes of the picture of the only store."""
    done = daemon.run("map", "--out", "map.json")
    assert done.returncode == 0, done.stderr
    (picture,) = json.loads((daemon.home / "map.json").read_text("utf-8"))["pictures"]
    notes: list[dict[str, Any]] = picture["notes"]
    return notes


def test_the_picture_is_the_same_with_a_daemon_and_without_and_what_is_excluded_leaves_it(tmp_path: Path) -> None:
    mode = os.umask(0o022)
    try:
        with vragd(tmp_path) as daemon:
            for folder, words in WORDS.items():
                (daemon.vault / folder).mkdir(parents=True)
                for i in range(4):
                    (daemon.vault / folder / f"{folder} {i}.md").write_text(f"# {folder} {i}\n{words} {i}\n")
            daemon.start()
            shown, status = on_terminal("map", "--out", "map.svg", env=daemon.env, cwd=daemon.home)
            assert (status, "placing notes by meaning" in shown, "wrote map.svg" in shown) == (0, True, True)
            assert stat.S_IMODE((daemon.home / "map.svg").stat().st_mode) == 0o644
            notes = mapped(daemon)
            assert len(notes) == 12
            exclude(daemon.vault, "Private/")
            until(lambda: len(mapped(daemon)) == 8, "what is excluded to be gone")
            assert "wombat" not in (daemon.home / "map.json").read_text("utf-8")
            kept = [note for note in notes if note["folder"] != "Private"]
            assert mapped(daemon) == kept
            assert daemon.stop() == 0
            assert mapped(daemon) == kept
            assert stat.S_IMODE((daemon.home / "map.json").stat().st_mode) == 0o644
            printed = daemon.run("map", "--out", "-")
            assert printed.stdout.startswith("<svg")
            assert daemon.run("map", "--out", f"{daemon.vault}/map.svg").returncode == 2
    finally:
        os.umask(mode)
