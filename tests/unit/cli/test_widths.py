"""On a terminal of 80 columns no line of an answer or a complaint is longer; in a pipe lines are as they are."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_page import Terminal
from tests.unit.cli.test_status import SOURCE, STATUS, STORE
from vragd.cli.get import print_got
from vragd.cli.links import print_links
from vragd.cli.lists import print_list
from vragd.cli.main import main
from vragd.cli.render import complain, the_page
from vragd.cli.status import print_status
from vragd.cli.why import why
from vragd.errors import Mistyped, UsageError

LONG = "a name of many words " * 6
FILE = {"store": "notes", "source": "Vault", "path": f"{LONG}/b.md", "title": "b", "path_b64": None}
STATE = {"n_unread": 3, "generation": 1, "pending": 1, "degraded": ["initial_scan"], "n_notes": 12, "unknown": []}
LINK = {
    "of": FILE, "line": 7, "heading": [LONG, "B"], "kind": "wiki", "embed": True, "target": LONG, "subpath": "x",
    "alias": "", "how": "alias", "to": FILE, "missing": True,
}  # fmt: skip
COUNTS = {"links": 1, "notes": 1, "none": 1, "names": 1, "alias": 0, "orphans": 1}
ANSWER = {
    "place": "", "out": [LINK], "back": [LINK], "unresolved": [LINK], "misplaced": [LINK], "counts": COUNTS, **STATE,
}  # fmt: skip


def shown(say: Callable[[], Any], *, terminal: bool) -> list[str]:
    stream = Terminal() if terminal else io.StringIO()
    with redirect_stdout(stream), redirect_stderr(stream):
        say()
    return stream.getvalue().split("\n")


def links(**changes: Any) -> Callable[[], None]:
    answer = {"note": None, "names": [{"name": LONG, "count": 1}], "orphans": [FILE], **ANSWER, **changes}
    return lambda: print_links(answer, unresolved=True, orphans=True)


TASK = {"of": FILE, "line": 7, "state": " ", "done": False, "text": LONG, "heading": [LONG]}
GOT = {"note": FILE, "lines": (1, 2), "changed": True, "text": f"{LONG}\n\n    {LONG}\n", "copies": [FILE], **STATE}
WRONG = {"code": "x", "message": LONG, "hint": f"vragd {LONG}\n{LONG}", "for_s": 70.0, "n_questions": 3}
REPLICA = {
    "name": LONG, "type": "file", "where": LONG, "n_behind": 1, "n_withdrawn": 0, "n_refused": 0, "trouble": WRONG,
    "silent_s": 0.0,
}  # fmt: skip
STORE_OF_ALL = STORE | {
    "name": LONG, "trouble": WRONG, "rerank_trouble": WRONG, "reranked_by": f"http://x/ {LONG}", "sends_to": LONG,
    "states": {"failed": 1, "skipped": 1, "partial": 1}, "n_closed": 3, "n_vectors_behind": 3, "advice": LONG,
    "foreign": 0.9, "degraded": ["initial_scan", LONG], "replicas": [REPLICA], "left_behind": [LONG], "pending": 3,
    "backend": {"type": LONG},
    "sources": [SOURCE | {
        "name": LONG, "path": LONG, "n_deletes_held": 3, "unwatched": {LONG: LONG}, "closed": [LONG],
        "rules_trouble": LONG}],
}  # fmt: skip
STATUS_OF_ALL = STATUS | {
    "stores": [STORE_OF_ALL], "failed": [WRONG | {"name": LONG}], "reloads": {"n": 1, "refused": WRONG},
    "page": {"url": "http://127.0.0.1:1/", "trouble": LONG},
}  # fmt: skip
ROW = {
    "store": "notes",
    "source": "Vault",
    "path": f"{LONG}/b.md",
    "state": "indexed",
    "reason": LONG,
    "closed": ["note"],
}


class Asked:
    """Answers what `files --why` asks."""

    def request(self, method: str, target: str, body: Any = None) -> Any:
        if target == "/v1/get":
            return {"note": FILE, "parts": [{"lines": (1, 2), "id": "0a1b2c3d", "heading": [LONG, LONG]}]}
        return {"files": [ROW]} if target == "/v1/files" else STATUS_OF_ALL


def reasons() -> None:
    asked = argparse.Namespace(why="b", store=[], json=False)
    assert why(asked, Asked()) == 0  # type: ignore[arg-type] # a Session asks a daemon


WAYS: dict[str, Callable[[], Any]] = {
    "status": lambda: print_status(STATUS_OF_ALL, 4.0, the_page("never")),
    "files --why": reasons,
    "tasks": lambda: print_list("tasks", STATE | {"tasks": [TASK], "counts": {"todo": 1, "done": 2, "notes": 1}}),
    "tags": lambda: print_list("tags", STATE | {"tags": [{"name": LONG, "count": 2, "own": 1}], "n_tagged": 1}),
    "properties": lambda: print_list("properties", STATE | {
        "properties": [{"name": LONG, "count": 1, "types": {"text": 1}}], "values": []}),
    "values": lambda: print_list("properties", STATE | {
        "properties": [{"name": LONG, "count": 1, "types": {"text": 1}}],
        "values": [{"value": LONG, "type": "text", "count": 1}]}),
    "recent": lambda: print_list("recent", STATE | {"notes": [{"note": FILE, "modified": 0}]}),
    "outline": lambda: print_list("outline", STATE | {
        "note": FILE, "place": "x", "headings": [{"line": 1, "level": 2, "text": LONG}]}),
    "get": lambda: print_got(GOT),
    "links": links(),
    "links of a note": lambda: print_links({"note": FILE, **ANSWER}),
    "an error": lambda: complain(UsageError(f"there is no {LONG}", hint=f"vragd {LONG}\n  {LONG}")),
}  # fmt: skip


@pytest.mark.parametrize("what", WAYS)
def test_what_is_printed_fits_a_terminal_and_loses_nothing(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    on_terminal, in_pipe = shown(WAYS[what], terminal=True), shown(WAYS[what], terminal=False)
    assert max(map(len, in_pipe)) > 80
    assert max(map(len, on_terminal)) <= 80
    assert "".join("".join(on_terminal).split()) == "".join("".join(in_pipe).split())


def test_what_points_at_a_mistake_stands_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    error = Mistyped("it is not closed", text=f'{LONG} "open', span=(len(LONG) + 1, len(LONG) + 6))
    assert shown(lambda: complain(error), terminal=True)[1:] == shown(lambda: complain(error), terminal=False)[1:]


def test_a_list_of_folders_has_the_path_on_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    vault = tmp_path / ("deep/" * 12) / "Vault"
    vault.mkdir(parents=True)
    config = tmp_path / "c.yaml"
    config.write_text(f"stores: {{notes: {{sources: [{{path: {vault}}}]}}}}\n")
    words = ["list", "--config", str(config), "--socket", str(tmp_path / "s"), "--data-dir", str(tmp_path / "data")]
    said = shown(lambda: main(words), terminal=True)
    assert max(map(len, said)) <= 80
    assert said[0].split() == ["Vault", "notes", "folder", "no", "daemon", "runs"]
    (line,) = filter(None, shown(lambda: main(words), terminal=False))
    assert line.endswith(str(vault))


LISTED = (
    "list", "files", "files --why {name}", "files --why nothing-{name}", "files --state skipped", "get {name}",
    "links {name}", "links --unresolved", "tags", "properties", "tasks --all", "recent", "outline {name}",
    "similar {name}", "query bicycle", "query bicycle --format text --explain", "store list", "store info notes",
    "verify", "models", "config check", "doctor", "purge --dry-run", "map --out {out}", "sync", "status", "reload",
    "restart", "stop", "tag", "service status",
)  # fmt: skip


@pytest.mark.slow
def test_no_command_prints_a_line_that_is_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are of many words: a word that is wider than a terminal is not broken by this."""
    for name, value in (
        ("COLUMNS", "80"),
        ("NO_COLOR", "1"),
        ("PAGER", "cat"),
        ("HOME", str(tmp_path)),
        ("PATH", str(tmp_path)),
    ):
        monkeypatch.setenv(name, value)
    vault = tmp_path / ("My vault of " + "many words " * 8).strip() / "Vault"
    name = ("a note of " + "very many words " * 8).strip()
    (vault / "Folder of words").mkdir(parents=True)
    (vault / f"{name}.md").write_text(
        f"---\nproperty: {'word ' * 40}\n---\n# {'Heading ' * 20}\n\nbicycle {'chain ' * 60} #tag\n\n"
        f"- [ ] {'to do ' * 40}\n\n[[{'nowhere ' * 20}]] ![[b]]\n"
    )
    (vault / "Folder of words/b.md").write_text(f"bicycle [[{name}]]\n")
    (vault / "Folder of words/out.md").write_text("---\nvragd: false\n---\n")
    config = tmp_path / "c.yaml"
    source = {"path": str(vault), "name": "a source of words"}
    store = {"sources": [source], "embedder": {"type": "none"}, "backend": {"type": "memory"}}
    config.write_text(json.dumps({"stores": {"notes": store}}))
    places = ["--config", str(config), "--socket", str(tmp_path / "s"), "--data-dir", str(tmp_path / "data")]
    assert main(["index", "--store", "more", str(vault / "Folder of words"), *places]) == 0
    long = dict[str, list[str]]()
    for line in LISTED:
        words = [word.format(name=name, out=tmp_path / "map.svg") for word in line.split()]
        more = [*places] if words[0] != "service" else []

        def said(words: list[str] = words, more: list[str] = more) -> None:
            with suppress(SystemExit):
                main([*words, *more])

        told = shown(said, terminal=True)
        assert any(told), line
        whole = "  embedder: "  # of `models`, to be copied
        if too_long := [one for one in told if len(one) > 80 and not one.startswith(whole)]:
            long[line] = too_long
    assert long == {}


@pytest.mark.parametrize("words", [["logs", "-n", "-5"], ["logs", "-n", "x"], ["service", "logs", "--lines=-1"]])
def test_no_log_has_fewer_lines_than_none(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "expected a whole number, 0 to 1,000,000" in capsys.readouterr().err
