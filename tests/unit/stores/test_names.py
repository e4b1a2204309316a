"""Names over the route: of stores that run, without what is hidden, and whatever a name is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.unit.stores.test_lists import Ask, Check, run

__all__ = ["run"]


def test_names_of_all_stores_are_one_sorted_list(tmp_path: Path, run: Callable[[Check], None]) -> None:
    (tmp_path / "v" / "Daily notes").mkdir()
    (tmp_path / "v" / "Daily notes" / 'it\'s: a "day".md').write_text("---\nstatus: open\n---\n#work/deep\n")
    (tmp_path / "v" / "n.md").write_text("#Work\n")
    (tmp_path / "w" / "Node.md").write_text("---\nvragd: false\n---\n#secret\n")
    (tmp_path / "w" / "new\nline.md").write_text("---\nstart: 1\n---\n#work #other\n")

    async def check(ask: Ask) -> None:
        for kind, prefix, found in (
            ("store", "", ["one", "two"]),
            ("store", "T", ["two"]),
            ("source", "", ["v", "w"]),
            ("tag", "wo", ["Work", "work/deep"]),
            ("tag", "sec", []),
            ("property", "", ["start", "status"]),
            ("folder", "", ["v/", "w/"]),
            ("folder", "v/", ["v/Daily notes/"]),
            ("folder", "Daily notes/", []),
            ("note", "n", ["n", "new\nline"]),
            ("note", "v/", ["v/Daily notes/", "v/n.md"]),
            ("note", "v/Daily notes/it's", ['v/Daily notes/it\'s: a "day".md']),
            ("note", "Daily notes/i", ['Daily notes/it\'s: a "day".md']),
        ):
            status, said = await ask("names", kind=kind, prefix=prefix)
            assert status == 200
            assert said["whole"]
            assert {name.lower() for name in said["names"]} == {name.lower() for name in found}, (kind, prefix)
            assert said["names"] == sorted(said["names"])
        assert await ask("names", kind="note", prefix="n", limit=1) == (200, {"names": ["n"], "whole": False})
        assert (await ask("names", kind="heading"))[0] == 422
        assert (await ask("names", kind="tag", limit=0))[0] == 422

    run(check)
