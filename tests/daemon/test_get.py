"""`vragd get` of a real daemon, and without one: an id stays, and what the user hides is read back by nothing."""

from __future__ import annotations

import json
from pathlib import Path

from tests.daemon.test_excluded import exclude
from tests.harness import until, vragd


def test_an_id_stays_over_a_restart_and_a_rename_and_is_gone_with_what_is_hidden(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "Private").mkdir()
        note = daemon.vault / "Coffee.md"
        note.write_text("# Brewing\nFour minutes in a press.\n")
        daemon.start()
        (hit, *_) = daemon.query("press")["hits"]
        daemon.stop()
        alone = daemon.run("get", hit["id"])
        assert (alone.returncode, alone.stdout) == (0, "# Brewing\nFour minutes in a press.\n"), alone.stderr
        daemon.start()
        for command in ("links", "outline", "similar"):  # an id names the note of its passage
            by_id, by_path = daemon.run(command, hit["id"], "--json"), daemon.run(command, "Coffee.md", "--json")
            assert json.loads(by_id.stdout) == json.loads(by_path.stdout), by_id.stderr
        note.rename(daemon.vault / "Private" / "Press.md")

        def path() -> str:
            done = daemon.run("get", hit["id"], "--json")
            return str(json.loads(done.stdout)["note"]["path"]) if done.returncode == 0 else ""

        until(lambda: path() == "Private/Press.md", "the note at its new place")
        exclude(daemon.vault, "Private/")
        until(lambda: path() == "", "the note to be hidden")
        for asked in (hit["id"], "Press", "Private/Press.md:1-2"):
            for command in ("get", "links", "outline", "similar"):
                done = daemon.run(command, asked)
                assert (done.returncode, done.stdout) == (4, ""), command
                assert "minutes" not in done.stderr
