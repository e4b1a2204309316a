"""Assistants' files with our entry in them, read by the parsers that assistants read them with; of Node alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.servers.assistants import NAME
from tests.servers.fetched import FOLDER, fetched
from tests.unit.mcp.test_install import FILES, KEYS, OURS
from vragd.mcp.install.editing import Edited

pytestmark = pytest.mark.skipif(not FOLDER, reason="for make test-servers: parsers are installed first, by npm")

# VS Code and opencode read with the first, Gemini CLI with the second, Claude Desktop, Cursor and others with the last.
PARSERS = ("jsonc-parser", "strip-json-comments", "JSON.parse")
READS = """
import jsonc from "jsonc-parser";
import strip from "strip-json-comments";
import { readFileSync } from "node:fs";
const jsoncParser = (text) => {
  const errors = [], found = jsonc.parse(text, errors, { allowTrailingComma: true });
  if (errors.length) throw new Error(jsonc.printParseErrorCode(errors[0].error));
  return found;
};
const parsers = {
  "jsonc-parser": jsoncParser, "strip-json-comments": (text) => JSON.parse(strip(text)), "JSON.parse": JSON.parse,
};
const read = ([parser, text]) => {
  try { return { says: parsers[parser](text) }; } catch (e) { return { error: `${e}` }; }
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map(read)));
"""


@pytest.fixture(scope="module")
def script() -> Path:
    try:
        folder = fetched(NAME)
    except OSError as error:
        pytest.skip(f"no parsers: {error}")
    (folder / "reads.mjs").write_text(READS)
    return folder / "reads.mjs"


def read(script: Path, texts: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """What each parser makes of its text: `says`, or an `error`."""
    done = subprocess.run(
        ["node", str(script)], input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=60
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def entry_in(says: Any) -> Any:
    for key in KEYS:
        says = says[key]
    return says


def test_what_a_parser_read_before_it_reads_with_our_entry_and_without_it_again(script: Path, tmp_path: Path) -> None:
    path, texts = tmp_path / "mcp.json", list[tuple[str, str, str, str]]()
    for text in FILES.values():
        path.write_bytes(text.encode())
        Edited(path, "json").install(KEYS, OURS)
        installed = path.read_bytes().decode()
        assert Edited(path, "json").undo(KEYS)
        restored = path.read_bytes().decode() if path.exists() else ""
        texts += [(parser, text, installed, restored) for parser in PARSERS]
    before, with_it, again = (read(script, [(one[0], one[n]) for one in texts]) for n in (1, 2, 3))
    n_read = dict.fromkeys(PARSERS, 0)
    for (parser, text, _, _), had, has, was in zip(texts, before, with_it, again, strict=True):
        if text.strip() and "says" not in had:
            continue  # that assistant takes no such file: with a comment, a comma too many, a byte order mark
        assert entry_in(has.get("says")) == OURS, (parser, text, has)
        others = {key: value for key, value in has["says"].items() if key != KEYS[0]}
        assert others == {key: value for key, value in (had.get("says") or {}).items() if key != KEYS[0]}
        assert was == had, (parser, text)
        n_read[parser] += 1
    assert n_read["jsonc-parser"] >= len(FILES) - 1, n_read
    assert all(n >= 8 for n in n_read.values()), n_read
