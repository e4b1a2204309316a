"""Tags, properties, tasks, what changed and headings of a real daemon, and without one: nothing hidden is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.daemon.test_excluded import exclude
from tests.harness import Vragd, unmeasured, until, vragd

TEXT = "---\n{name}: {name}\n---\n# {name}\n#{name}/tag\n- [ ] {name} task\n"
LISTS = (("tags",), ("properties",), ("tasks", "--all"), ("recent",))


def listed(daemon: Vragd, *args: str) -> Any:
    done = daemon.run(*args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_excluded_opts_out_or_may_be_hidden_is_neither_named_nor_counted(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        for name in ("Open", "Apart", "Private", "Vague"):
            (daemon.vault / name).mkdir()
            (daemon.vault / name / f"{name}.md").write_text(TEXT.format(name=name))
        daemon.start()
        names = ("Apart", "Private", "Vague")

        def said() -> str:
            found = [listed(daemon, *args) for args in LISTS]
            found += [listed(daemon, "properties", name) for name in ("open", "opne")]
            return json.dumps(found).lower()

        assert all(name.lower() in said() for name in ("Open", *names))
        (daemon.vault / "Apart" / "Apart.md").write_text("---\nvragd: false\n" + TEXT.format(name="Apart")[4:])
        exclude(daemon.vault, "Private/", r"/^Vague\/(unclosed/")  # the second is no pattern that anybody understands

        def hides() -> bool:
            text = said()
            return not any(name.lower() in text for name in names)

        until(hides, "what is hidden to be gone")
        assert [listed(daemon, *args)["n_notes"] for args in LISTS] == [1] * len(LISTS)
        assert listed(daemon, "tasks", "--all")["counts"] == {"todo": 1, "done": 0, "notes": 1}
        assert listed(daemon, "tags")["tags"] == [
            {"name": "Open", "count": 1, "own": 0}, {"name": "Open/tag", "count": 1, "own": 1}
        ]  # fmt: skip
        assert listed(daemon, "tags", "--where", "-tag:open")["n_notes"] == 0
        for name in names:
            done = daemon.run("outline", name)
            assert (done.returncode, f"there is no note {name!r}" in done.stderr) == (4, True)
            for args in (
                ("properties", name[:-1]),
                ("tags", "--where", f"tag:{name[:-1]}"),
                ("tags", "--folder", name),
            ):
                answer = listed(daemon, *args)
                assert name.lower() not in {one["nearest"].lower() for one in answer["unknown"]}


def test_without_a_daemon_lists_are_of_what_was_read(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "A.md").write_text(TEXT.format(name="One") + "- [x] done\n")
        (daemon.vault / ".obsidian").mkdir()
        daemon.start()
        (daemon.vault / ".obsidian/types.json").write_text('{"types": {"One": "multitext"}}')
        until(lambda: listed(daemon, "properties")["properties"][0]["types"] == {"list": 1}, "the vault's type")
        asked = (*LISTS, ("properties", "one"), ("outline", "A"))
        running = [listed(daemon, *args) for args in asked]
        assert daemon.stop() == 0
        for args, before in zip(asked, running, strict=True):
            kept = {name: value for name, value in listed(daemon, *args).items() if name in before}
            assert kept | {"degraded": []} == before | {"degraded": []}
        done = daemon.run("tasks")
        name = daemon.vault.name
        assert done.stdout.splitlines() == [f"{name}/A.md:6  [ ] One task  under One"]
        assert "1 open task, 1 done, in 1 note" in done.stderr
        done = daemon.run("outline", "A#One")
        assert done.stdout.splitlines() == [f"{name}/A.md#One", "   4  One"]
        assert daemon.run("tasks", "--where", "-tag:one").stdout == ""


def test_the_commands_import_nothing_heavy() -> None:
    code = (
        "import sys; import vragd.cli.lists;"
        " heavy = {'pydantic', 'numpy', 'yaml', 'apsw', 'structlog', 'faiss', 'asyncio', 'ssl', 'http', 'dataclasses',"
        " 'subprocess', 'vragd.search.ask', 'vragd.search.unmarked', 'vragd.daemon'} & set(sys.modules);"
        " sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=unmeasured(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
