"""What is written down is so: the example configuration, the commands in README and docs, the sizes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tests.documented import DOCUMENTS, MADE
from tests.documented import commands as documented
from tests.sizes import complaints
from vragd.cli.main import FILTERED, parser
from vragd.cli.query import guarded
from vragd.cli.reasons import REASONS
from vragd.cli.tree import below, flags
from vragd.config import load, settings
from vragd.terms import backends, embedders
from vragd.terms.settings import McpSettings, default_backend, default_embedder

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config.example.yaml"


def test_the_example_configuration_is_valid() -> None:
    parsed = load.parse(EXAMPLE.read_text(), str(EXAMPLE))
    stores = {"notes", "work", "shared", "team", "in-a-file", "in-a-bucket", "served", "in-a-folder", "by-name", "wiki",
              "books", "papers"}  # fmt: skip
    assert set(parsed.stores) == stores


def keys(document: Any) -> set[str]:
    if isinstance(document, dict):
        return set(document) | {key for value in document.values() for key in keys(value)}
    if isinstance(document, list):
        return {key for value in document for key in keys(value)}
    return set()


def test_the_example_configuration_names_every_key() -> None:
    named = (*vars(settings).values(), McpSettings)
    models = [m for m in named if isinstance(m, type) and issubclass(m, BaseModel)]
    models += [types.settings(name) for types in (backends.TYPES, embedders.TYPES) for name in types.ours]
    known = {field for model in models for field in model.model_fields}
    assert known - keys(yaml.safe_load(EXAMPLE.read_text())) == set()


def test_the_example_configuration_shows_the_defaults() -> None:
    document = yaml.safe_load(EXAMPLE.read_text())
    for section in ("watch", "limits", "paths", "log"):
        shown = load.parse(yaml.safe_dump({section: document[section]}), "x")
        assert getattr(shown, section) == getattr(settings.Config(), section)
    shown = load.parse(yaml.safe_dump({"stores": {"notes": document["stores"]["notes"]}}), "x").stores["notes"]
    assert (shown.backend, shown.embedder) == (default_backend(), default_embedder())


def commands(top: argparse.ArgumentParser) -> list[str]:
    (group,) = [a for a in top._actions if isinstance(a, argparse._SubParsersAction)]
    return list(group.choices)


def test_the_readme_is_short_and_every_command_is_in_it_and_in_the_document_of_commands() -> None:
    readme, using = (ROOT / "README.md").read_text(), (ROOT / "docs/using.md").read_text()
    assert len(readme.splitlines()) <= 120
    for name in commands(parser()):
        assert f"vragd {name}" in using, name
        assert f"`vragd {name}`" in readme or f"`{name}`" in readme or f"vragd {name}" in readme, name


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_every_document_that_is_linked_is_there(document: Path) -> None:
    for place in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
        assert ":" in place or (document.parent / place).exists(), place


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in commands(parser()):
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([name, "--help"])
        assert ended.value.code == 0
        assert f"vragd {name}" in capsys.readouterr().out


def test_every_reason_for_a_degraded_answer_is_explained() -> None:
    sources = [
        (ROOT / f"src/vragd/{name}.py").read_text() for name in ("stores/watched", "stores/indexer", "search/ask")
    ]
    reasons = set(re.findall(r'(?:distrust\(|append\(|: )"([a-z]+(?:_[a-z]+)+)"', "\n".join(sources)))
    assert {"source_offline", "initial_scan", "semantic_unavailable", "space_rebuilding"} <= reasons
    using = (ROOT / "docs/using.md").read_text()
    assert [reason for reason in reasons if f"`{reason}`" not in using] == []
    assert reasons <= set(REASONS)
    rows = using.partition("| reason | means |")[2].partition("\n\n")[0].splitlines()
    told = [row.split("|")[1] for row in rows if row.startswith("| `")]
    assert set(re.findall(r"`([a-z_]+)`", "".join(told))) == set(REASONS)


def test_the_size_check_notices_a_giant(tmp_path: Path) -> None:
    for folder in ("src/vragd", "tests", "bench"):
        (tmp_path / folder).mkdir(parents=True)
    assert complaints(tmp_path) == []
    (tmp_path / "src/vragd/giant.py").write_text("def f():\n" + "    x = 1\n" * 401)
    found = "\n".join(complaints(tmp_path))
    assert "giant.py: 402 lines" in found
    assert "f has 402 lines" in found


def test_commands_are_found_in_blocks_in_sentences_and_in_tables(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "vragd is no command here.\n\n```sh\n$ vragd query 'a b' -k 3 | head   # three\nvragd store list …\n```\n\n"
        "`vragd run`, `vragd store info\\|delete NAME [-k N]`\n"
    )
    assert list(documented(tmp_path / "a.md")) == [
        (["query", "a b", "-k", "3"], False), (["run"], True), (["store", "info", "NAME", "-k", "1"], True),
        (["store", "delete", "NAME", "-k", "1"], True),
    ]  # fmt: skip


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one != MADE], ids=lambda path: path.name)
def test_every_command_that_is_written_down_is_one(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = parser()
    for words, may_be_bare in documented(document):
        words = words[1:] if words[0] == "help" else words
        one, rest = top, list(words)
        while rest and rest[0] in below(one):
            one = below(one)[rest.pop(0)]
        if "COMMAND" in words:
            continue
        if may_be_bare and all(word.startswith("--") for word in rest):  # a flag that is spoken of
            assert set(rest) <= {*flags(one), "--help", "--version"}, (document.name, words)
            continue
        try:
            top.parse_args(guarded(words) if words[0] in FILTERED else words)
        except SystemExit as ended:
            said = capsys.readouterr()
            assert ended.code == 0, f"{document.name}: vragd {' '.join(words)}: {said.err}"
