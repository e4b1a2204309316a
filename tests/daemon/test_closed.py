"""What assistants are not shown, through a real daemon and a real bridge; people are shown it, and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Vragd, until, vragd
from tests.unit.mcp.speaking import initialize, request
from vragd.errors import VragdError

pytestmark = pytest.mark.slow


def asked(daemon: Vragd, tool: str, **arguments: Any) -> str:
    """What the bridge that an assistant starts answers to one call."""
    sent = [initialize(), request("tools/call", 2, name=tool, arguments=arguments)]
    done = daemon.run("mcp", stdin="".join(json.dumps(one) + "\n" for one in sent))
    (answer,) = [one["result"] for one in map(json.loads, done.stdout.splitlines()) if one.get("id") == 2]
    return str(answer["content"][0]["text"])


def test_what_is_withheld_from_assistants_is_theirs_at_no_time_and_people_are_told(tmp_path: Path) -> None:
    diary = tmp_path / "Diary"
    diary.mkdir()
    (diary / "day.md").write_text("quartz in the diary\n")
    part, whole = {"exclude": ["Private/"]}, {"path": str(diary), "mcp": False}
    with vragd(tmp_path) as daemon:
        files = {"open.md": "quartz [[said]] [[hidden]]\n", "said.md": "---\nai: no\n---\nquartz numbat\n"}
        for name, text in (files | {"Private/hidden.md": "quartz narwhal #secret\n"}).items():
            (daemon.vault / name).parent.mkdir(exist_ok=True)
            (daemon.vault / name).write_text(text)
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault), "mcp": part}, whole]}})
        daemon.start()
        hits = json.loads(asked(daemon, "search", query="quartz"))["hits"]
        assert [hit["path"] for hit in hits] == ["Vault/open.md"]
        assert json.loads(asked(daemon, "links", note="open"))["counts"] == {"out": 0, "back": 0, "unresolved": 2}
        assert json.loads(asked(daemon, "tags_and_properties")) == {"items": [], "n_notes": 1}
        (store,) = json.loads(asked(daemon, "status"))["stores"]
        assert (store["notes"], [one["name"] for one in store["sources"]]) == (1, ["Vault"])
        for note in ("said", "Private/hidden.md", "Diary/day.md", str(diary / "day.md")):
            assert asked(daemon, "get_note", note=note) == f"there is no note {note!r} (vragd files lists them)"
        # -- people
        found = json.loads(daemon.run("query", "quartz", "--json").stdout)["hits"]
        assert {hit["path"] for hit in found} == {"open.md", "said.md", "Private/hidden.md", "day.md"}
        status = daemon.run("status").stdout
        assert "withheld from assistants: 3 notes" in status
        assert "withheld from assistants: all of it" in status
        assert "withheld from assistants: Private/" in status
        for name, why in (("said.md", "it says so"), ("Private/hidden.md", "mcp of its source"), ("open.md", "")):
            told = daemon.run("files", "--why", f"Vault/{name}").stdout
            assert ("withheld from assistants" in told, why in told) == (bool(why), True)
        # -- and what changes is another at once
        (daemon.vault / "open.md").write_text("---\nmcp: false\n---\nquartz\n")
        until(lambda: json.loads(asked(daemon, "status"))["stores"][0]["notes"] == 0, "the note is closed")
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}]}})
        assert daemon.run("reload").returncode == 0
        hits = json.loads(asked(daemon, "search", query="narwhal"))["hits"]
        assert [hit["path"] for hit in hits] == ["Vault/Private/hidden.md"]


def test_what_is_closed_while_it_is_down_is_shown_to_no_assistant_from_the_first_answer_on(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        for n in range(20):
            (daemon.vault / f"{n}.md").write_text(f"quartz number {n}\n")
        daemon.start()
        daemon.stop()
        for n in range(10):
            (daemon.vault / f"{n}.md").write_text(f"---\nai: false\n---\nquartz number {n}, which nobody is to see\n")
        daemon.start(ready=False, idle=False)
        answers = list[set[str]]()

        def is_answered() -> bool:
            try:
                asking = {"text": "quartz", "top_k": 20}
                found = daemon.client.request("POST", "/v1/query?audience=assistant", asking)
            except VragdError as error:  # it does not listen yet, has no store yet, or looks
                assert error.code in ("no_daemon", "unknown_store", "still_looking"), error
                return False
            answers.append({hit["path"] for hit in found["hits"]})
            return True

        until(is_answered, "an answer")
        for _ in range(20):
            assert is_answered()
        assert {frozenset(paths) for paths in answers} == {frozenset(f"{n}.md" for n in range(10, 20))}
