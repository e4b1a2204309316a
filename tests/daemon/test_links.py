"""`vragd links` of a real daemon, and without one: what the user hides is named neither as a source nor as a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.daemon.test_excluded import exclude
from tests.harness import Vragd, until, vragd


def links(daemon: Vragd, *args: str) -> Any:
    done = daemon.run("links", *args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def paths(answer: Any) -> set[str]:
    """Every path that an answer names."""
    said = [answer["note"] or {"path": ""}, *answer["orphans"]]
    for link in (*answer["out"], *answer["back"], *answer["unresolved"]):
        said += [link["of"], link["to"] or {"path": ""}]
    return {one["path"] for one in said} - {""}


def test_what_is_excluded_opts_out_or_may_be_hidden_is_named_by_no_link(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        for folder in ("Private", "Vague"):
            (daemon.vault / folder).mkdir()
            (daemon.vault / folder / f"{folder} note.md").write_text("[[Open]] [[Nowhere]]")
        (daemon.vault / "Private" / "scan.png").write_bytes(b"")
        (daemon.vault / "Open.md").write_text("[[Private note]] ![[scan.png]] [[Vague note]] [[Apart]]")
        (daemon.vault / "Apart.md").write_text("[[Open]]")
        daemon.start()
        every = {"Open.md", "Apart.md", "Private/Private note.md", "Private/scan.png", "Vague/Vague note.md"}
        asked = (("Open",), ("--unresolved", "--orphans"))
        assert set().union(*(paths(links(daemon, *args)) for args in asked)) == every
        (daemon.vault / "Apart.md").write_text("---\nvragd: false\n---\n[[Open]]")
        exclude(daemon.vault, "Private/", r"/^Vague\/(unclosed/")  # the second is no pattern that anybody understands

        def shown() -> set[str]:
            return set().union(*(paths(links(daemon, *args)) for args in asked))

        until(lambda: shown() == {"Open.md"}, "what is hidden to be gone")
        for name in ("Apart", "Private note", "scan.png", "Vague note"):
            done = daemon.run("links", name)
            assert done.returncode == 4
            assert "Private" not in done.stderr.replace(repr(name), "")
            assert "Vague" not in done.stderr.replace(repr(name), "")


def test_without_a_daemon_links_are_those_that_were_read(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "A.md").write_text("# Top\n[[B#Part|there]] [[C]]")
        (daemon.vault / "B.md").write_text("b")
        daemon.start()
        running = links(daemon, "A")
        daemon.stop()
        done = daemon.run("links", "A")
        assert done.returncode == 0, done.stderr
        name = daemon.vault.name
        assert done.stdout.splitlines() == [
            f"{name}/A.md", "links to (1)", f"     2  {name}/B.md#Part  (no such heading)  under Top",
            "leads nowhere (1)", "     2  C  under Top",
        ]  # fmt: skip
        assert links(daemon, "A")["out"] == running["out"]
        unknown = daemon.run("links", "AA")
        assert (unknown.returncode, "there is no note 'AA'" in unknown.stderr) == (4, True)
