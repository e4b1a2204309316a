"""An assistant's file with our entry in it and without it again: every other byte stays."""

# ruff: noqa: E501  the files are shown as they are

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vragd.errors import ConfigError
from vragd.mcp.install import jsonc, toml
from vragd.mcp.install.clients import CLIENTS, Client, file_of, keys_in
from vragd.mcp.install.editing import BACKUP, Edited
from vragd.mcp.install.jsonc import Unreadable
from vragd.mcp.install.program import options
from vragd.system.program import lasting

WORDS = ["/opt/vragd", "mcp", "--config", '/home/ä"\\/c.yaml']
KEYS = ("mcpServers", "vragd")
OURS = {"command": "/opt/vragd", "args": ["mcp"]}

FILES = {
    "nothing": "",
    "blank": " \n",
    "empty": "{}",
    "empty, two lines": "{\n}\n",
    "empty with a comment": "{ // none yet\n}\n",
    "one line": '{"a": 1, "mcpServers": {"other": {"command": "x"}}}',
    "no servers": '{\n    "theme": "dark"\n}\n',
    "empty servers": '{\n\t"mcpServers": {}\n}',
    "servers": '{\n  "mcpServers": {\n    "other": {"command": "x", "args": ["}"]}\n  },\n  "z": [1, 2.5e3, null, true]\n}\n',
    "comments": '// top\n{\n  /* b */ "mcpServers": { // c {\n    "other": { "command": "x" } // why, "x"\n    // last\n  } /* d */\n}\n// end',
    "trailing commas": '{\n  "mcpServers": {\n    "other": {"command": "x",}, // because\n  },\n  "l": [1, 2, ],\n}\n',
    "trailing comma, one line": '{"mcpServers": {"other": {"command": "x"},},}',
    "crlf": '{\r\n  "mcpServers": {\r\n    "other": {"command": "x"}\r\n  }\r\n}\r\n',
    "bom": '\ufeff{\n  "mcpServers": {"other": {"command": "x"}}\n}\n',
    "another vragd": '{\n  "mcpServers": {\n    "vragd": {"command": "old", "env": {"A": "1"}}, // mine\n    "b": {"command": "y"}\n  }\n}\n',
    "unusual": '{"mcpServers"\n:\n{"a//b": {"command": "/* no */ \\" // \\u00e9"}}, "ключ": "值"}\n',
}


def made(tmp_path: Path, text: str, name: str = "mcp.json") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("name", FILES)
def test_it_is_put_in_and_taken_out_to_the_byte(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, FILES[name])
    path.chmod(0o640)
    before = Edited(path, "json").says
    assert Edited(path, "json").install(KEYS, OURS)
    text = path.read_bytes().decode()
    assert jsonc.value_of(text.removeprefix("\ufeff")) == {
        **before,
        "mcpServers": {**before.get("mcpServers", {}), "vragd": OURS},
    }
    assert text.startswith("\ufeff") == FILES[name].startswith("\ufeff")
    assert ("\r\n" in text and "\n" not in text.replace("\r\n", "")) == ("\r\n" in FILES[name])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not Edited(path, "json").install(KEYS, OURS)
    assert path.read_bytes().decode() == text
    assert Edited(path, "json").undo(KEYS)
    assert (path.read_bytes().decode() if path.exists() else "") == FILES[name]
    assert [one.name for one in tmp_path.iterdir()] == ([path.name] if path.exists() else [])


@pytest.mark.parametrize("name", FILES)
def test_without_the_copy_it_is_taken_out_and_the_rest_is_kept(name: str) -> None:
    text = FILES[name].removeprefix("\ufeff")
    if not text.strip() or "vragd" in text:
        return
    there = jsonc.put(text, KEYS, OURS)
    kept = jsonc.removed(there, KEYS)
    assert jsonc.value_of(kept) == {**jsonc.value_of(text), "mcpServers": jsonc.value_of(text).get("mcpServers", {})}
    if "other" in text or "a//b" in text:
        assert kept == text


@pytest.mark.parametrize("name", FILES)
def test_an_edit_made_in_between_is_kept(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, FILES[name])
    Edited(path, "json").install(KEYS, OURS)
    text = path.read_bytes().decode()
    mark = text.index("{") + 1
    path.write_bytes((text[:mark] + ' "edited": [1], ' + text[mark:]).encode())
    assert Edited(path, "json").undo(KEYS)
    after = Edited(path, "json").says
    assert after.pop("edited") == [1]
    before = jsonc.value_of(FILES[name].removeprefix("\ufeff").strip() or "{}")
    assert {"mcpServers": {}, **after} == {"mcpServers": {}, **before}
    assert not (tmp_path / f"mcp.json{BACKUP}").exists()


def test_what_was_installed_twice_is_undone_to_what_was_before_the_first_time(tmp_path: Path) -> None:
    for text in (None, FILES["servers"], '{"mcpServers": { /* none yet */ }}'):
        path = tmp_path / "new" / "mcp.json"
        if text is not None:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        Edited(path, "json").install(KEYS, OURS)
        Edited(path, "json").install(KEYS, {**OURS, "args": ["mcp", "--config", "/x"]})
        assert Edited(path, "json").undo(KEYS)
        assert (path.read_text() if path.exists() else None) == text
        assert not Edited(path, "json").undo(KEYS)


@pytest.mark.parametrize("text", ["{", '{"a" 1}', "[1]", "7", "{'a': 1}", '{"a": 01}', '{"a": "\n"}', '{"mcpServers": []}',
                                  '{"mcpServers": 1}', "{} x", '{"a": /* }', "[" * 100_000, '{"a":1,,}', '{"a":"\\x"}',
                                  '{"a": ' + "1" * 5_000 + "}"])  # fmt: skip
def test_what_cannot_be_read_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = made(tmp_path, text)
    with pytest.raises(ConfigError, match="left as it is"):
        Edited(path, "json").install(KEYS, OURS)
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_written_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    path = made(tmp_path, FILES["servers"])
    edited = Edited(path, "json")
    path.write_text("{}")
    with pytest.raises(ConfigError, match="changed just now"):
        edited.install(KEYS, OURS)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("{}", [path])


@pytest.mark.parametrize("which", ["the file", "its copy"])
def test_what_is_no_ordinary_file_is_left_as_it_is(tmp_path: Path, which: str) -> None:
    """As /dev/null is, which some link a file to that is to stay empty."""
    path, pipe = tmp_path / "mcp.json", tmp_path / "pipe"
    os.mkfifo(pipe)
    if which == "the file":
        path.symlink_to(pipe)
    else:
        path.write_text('{"mcpServers": {"vragd": {"command": "mine"}}}')
        path.with_name("mcp.json.before-vragd").symlink_to(pipe)
    with pytest.raises(ConfigError, match="is no ordinary file"):
        Edited(path, "json").undo(("mcpServers", "vragd"))
    if which == "the file":
        with pytest.raises(ConfigError, match="is no ordinary file"):
            Edited(path, "json").install(("mcpServers", "vragd"), {"command": "x"})
    assert pipe.is_fifo()


def test_a_file_of_another_encoding_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-8"):
        Edited(path, "json")


def test_a_symbolic_link_stays_one_also_where_it_leads_to_nothing_yet(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "mcp.json"
    link = tmp_path / "mcp.json"
    link.symlink_to(real)
    Edited(link, "json").install(KEYS, OURS)
    assert link.is_symlink()
    assert json.loads(real.read_text())["mcpServers"]["vragd"] == OURS
    assert Edited(link, "json").undo(KEYS)
    assert (link.is_symlink(), real.exists()) == (True, False)


TOMLS = {
    "nothing": "",
    "keys": 'model = "o"\n',
    "without an end": 'model = "o"',
    "others": '# c\nmodel = "o" # d\n\n[mcp_servers.other]\ncommand = "x"\nargs = ["a",\n  "[mcp_servers.vragd]",\n]\n\n# end\n',
    "texts": 'a = """\n[mcp_servers.vragd]\n"""\n[b]\nc = 1\n',
    "crlf": 'model = "o"\r\n\r\n[a]\r\nb = 1\r\n',
    "bom": '\ufeffmodel = "o"\n',
    "another vragd": '[mcp_servers.vragd] # mine\ncommand = "old"\nargs = [\n  "x",\n]\nstartup_timeout_sec = 20 # long\n\n'
    '[mcp_servers.vragd.env]\nA = "1"\n\n# of c\n[c]\nd = 1\n',
    "quoted": '["mcp_servers"."vragd"]\ncommand = "old"\n[[list]]\nx = 1\n',
}  # fmt: skip


@pytest.mark.parametrize("name", TOMLS)
def test_a_table_is_put_in_and_taken_out_to_the_byte(tmp_path: Path, name: str) -> None:
    keys = CLIENTS["codex"].keys
    path = made(tmp_path, TOMLS[name], "config.toml")
    before = tomllib.loads(TOMLS[name].removeprefix("\ufeff"))
    assert Edited(path, "toml").install(keys, CLIENTS["codex"].entry(WORDS))
    text = path.read_bytes().decode()
    found = tomllib.loads(text.removeprefix("\ufeff"))
    ours = found["mcp_servers"]["vragd"]
    assert (ours["command"], ours["args"]) == (WORDS[0], WORDS[1:])
    others = {key: value for key, value in before.get("mcp_servers", {}).items() if key != "vragd"}
    assert {k: v for k, v in found["mcp_servers"].items() if k != "vragd"} == others
    assert {k: v for k, v in found.items() if k != "mcp_servers"} == {
        k: v for k, v in before.items() if k != "mcp_servers"
    }
    if name == "another vragd":
        assert (ours["startup_timeout_sec"], ours["env"]) == (20, {"A": "1"})
        assert "startup_timeout_sec = 20 # long\n\n[mcp_servers.vragd.env]" in text
    assert Edited(path, "toml").undo(keys)
    assert (path.read_bytes().decode() if path.exists() else "") == TOMLS[name]


@pytest.mark.parametrize("name", TOMLS)
def test_an_edit_of_toml_in_between_is_kept(tmp_path: Path, name: str) -> None:
    keys = CLIENTS["codex"].keys
    path = made(tmp_path, TOMLS[name], "config.toml")
    Edited(path, "toml").install(keys, OURS)
    path.write_bytes(path.read_bytes() + b"\n[edited]\nyes = 1\n")
    assert Edited(path, "toml").undo(keys)
    after = Edited(path, "toml").says
    assert after.pop("edited") == {"yes": 1}
    assert after == tomllib.loads(TOMLS[name].removeprefix("\ufeff"))


def test_of_a_server_elsewhere_nothing_stays_beside_a_program(tmp_path: Path) -> None:
    """Codex does not start with a table that has both."""
    keys, text = (
        CLIENTS["codex"].keys,
        '[mcp_servers.vragd]\nurl = "https://x" # mine\nbearer_token_env_var = "T"\n\n[c]\nd = 1\n',
    )
    path = made(tmp_path, text, "config.toml")
    assert Edited(path, "toml").install(keys, OURS)
    assert tomllib.loads(path.read_text()) == {"mcp_servers": {"vragd": OURS}, "c": {"d": 1}}
    assert Edited(path, "toml").undo(keys)
    assert path.read_text() == text
    path.write_text(text := text + '[mcp_servers.vragd.http_headers]\nA = "1"\n')
    with pytest.raises(ConfigError, match="left as it is"):
        Edited(path, "toml").install(keys, OURS)
    assert path.read_text() == text


def test_of_what_is_put_before_a_table_nothing_stays_where_others_come_behind(tmp_path: Path) -> None:
    keys, text = CLIENTS["codex"].keys, "a = 1\n"
    path = made(tmp_path, text, "config.toml")
    Edited(path, "toml").install(keys, OURS)
    path.write_text(path.read_text() + "\n[edited]\nyes = 1\n")
    assert Edited(path, "toml").undo(keys)
    assert path.read_text() == text + "\n[edited]\nyes = 1\n"


def test_a_number_that_is_none_holds_up_no_table(tmp_path: Path) -> None:
    keys, text = CLIENTS["codex"].keys, "a = nan\nb = [-inf, 1.50]\n"
    path = made(tmp_path, text, "config.toml")
    assert Edited(path, "toml").install(keys, OURS)
    assert tomllib.loads(path.read_text())["mcp_servers"]["vragd"] == OURS
    assert Edited(path, "toml").undo(keys)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text",
    ["a = ", "a = " + "1" * 5_000, 'mcp_servers = {vragd = {command = "x"}}', "mcp_servers = {}", "mcp_servers = 1"],
)
def test_toml_that_takes_no_table_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = made(tmp_path, text)
    with pytest.raises(ConfigError, match="left as it is"):
        Edited(path, "toml").install(CLIENTS["codex"].keys, OURS)
    assert path.read_text() == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["a", "mcpServers", "z"]), st.dictionaries(st.text(max_size=3), JSON, max_size=3)),
    st.sampled_from([None, 2, "\t"]),
)
def test_any_json_is_read_as_json_has_it_and_comes_back_whole(document: dict[str, Any], indent: Any) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    assert jsonc.value_of(text) == document
    there = jsonc.put(text, KEYS, OURS)
    assert json.loads(there) == {**document, "mcpServers": {**document.get("mcpServers", {}), "vragd": OURS}}
    if document.get("mcpServers"):
        assert jsonc.removed(there, KEYS) == text


@pytest.mark.parametrize("text", ['{"a": 1, "vragd": 2, "b": 3}', '{"vragd": 2, "b": 3}', '{"a": 1, "vragd": 2}', '{"vragd": 2}',
                                  '{"a": 1, // c\n"vragd": 2 // d\n}', '{"a": 1 // c\n, "vragd": 2 /* d */, /* e */ "b": 3}',
                                  '{ // c\n"vragd": 2 }', '{"vragd": 2,}', '{"a": 1, "vragd": 2,}'])  # fmt: skip
def test_an_entry_is_taken_out_wherever_it_stands(text: str) -> None:
    expected = {key: value for key, value in jsonc.value_of(text).items() if key != "vragd"}
    assert jsonc.value_of(jsonc.removed(text, ["vragd"])) == expected
    assert jsonc.removed(text, ["nobody"]) == text


def test_a_comment_ends_where_the_line_does_however_lines_end() -> None:
    text = '{ // mine\r  "mcpServers": {"a": 1}\r}'
    assert jsonc.value_of(text) == {"mcpServers": {"a": 1}}
    assert jsonc.value_of(jsonc.put(text, KEYS, OURS)) == {"mcpServers": {"a": 1, "vragd": OURS}}


@pytest.mark.parametrize("copy", [b"{not", b"\xff"])
def test_where_the_copy_is_damaged_an_edited_file_is_left_as_it_is(tmp_path: Path, copy: bytes) -> None:
    path = made(tmp_path, "{}")
    Edited(path, "json").install(KEYS, OURS)
    path.write_text(edited := path.read_text() + "// edited\n")
    (tmp_path / f"mcp.json{BACKUP}").write_bytes(copy)
    with pytest.raises(ConfigError, match=rf"left as it is: .*mcp.json{BACKUP}"):
        Edited(path, "json").undo(KEYS)
    assert path.read_text() == edited


def test_what_is_wrong_is_told_with_its_line() -> None:
    with pytest.raises(Unreadable, match="line 3"):
        jsonc.scan('{\n"a": 1,\n"b" 2}')
    with pytest.raises(Unreadable, match="too early"):
        jsonc.scan('{"a": 1')
    with pytest.raises(Unreadable, match="document"):
        toml.value_of("a = ")


@pytest.mark.parametrize("name", CLIENTS)
def test_each_client_has_its_file_and_shape(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    client: Client = CLIENTS[name]
    path = file_of(client, macos=False)
    assert path.is_relative_to(tmp_path)
    assert str(file_of(CLIENTS["claude-desktop"], macos=True)).endswith(
        "Library/Application Support/Claude/claude_desktop_config.json"
    )
    edited = Edited(path, client.kind)
    edited.install(keys_in(client, edited.says), client.entry(WORDS))
    text = path.read_text()
    says: Any = tomllib.loads(text) if client.kind == "toml" else json.loads(text)
    for key in client.keys:
        says = says[key]
    said = says["command"] if isinstance(says["command"], list) else [says["command"], *says["args"]]
    assert said == WORDS


def test_opencode_is_served_in_the_form_and_the_file_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "opencode" / "opencode.jsonc"
    path.parent.mkdir()
    path.write_text('{ "mcp": { "servers": { } } } // mine')
    client = CLIENTS["opencode"]
    assert file_of(client, macos=False) == path
    keys = keys_in(client, Edited(path, "json").says)
    assert keys == ("mcp", "servers", "vragd")
    Edited(path, "json").install(keys, client.entry(WORDS))
    assert Edited(path, "json").says["mcp"]["servers"]["vragd"]["type"] == "local"
    assert Edited(path, "json").undo(keys)
    assert path.read_text() == '{ "mcp": { "servers": { } } } // mine'


def test_the_program_is_named_as_it_outlives_an_upgrade(tmp_path: Path) -> None:
    version, outer = tmp_path / "1.0" / "bin", tmp_path / "bin"
    for folder in (version, outer):
        folder.mkdir(parents=True)
    (version / "vragd").write_text("#!")
    (version / "vragd").chmod(0o755)
    python = str(version / "python")
    assert lasting(python, str(outer)) == [str(version / "vragd")]
    (outer / "vragd").symlink_to(version / "vragd")
    assert lasting(python, os.pathsep.join(["", "relative", str(outer)])) == [str(outer / "vragd")]
    (outer / "vragd").unlink()
    (outer / "vragd").write_text("#! another one")
    (outer / "vragd").chmod(0o755)
    assert lasting(python, str(outer)) == [str(version / "vragd")]
    assert lasting(str(tmp_path / "python"), "") == [str(tmp_path / "python"), "-m", "vragd"]


def test_what_is_not_the_default_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("VRAGD_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert options(None, None, None, {}) == []
    assert options(None, None, None, {"XDG_DATA_HOME": "/d"}) == ["--data-dir", "/d/vragd"]
    assert options("~/c.yaml", "/d", None, {"VRAGD_SOCKET": "/s"}) == [
        "--config", f"{tmp_path}/c.yaml", "--data-dir", "/d", "--socket", "/s",
    ]  # fmt: skip
    monkeypatch.setenv("VRAGD_CONFIG", "/etc/c.yaml")
    assert options(None, None, None, {}) == ["--config", "/etc/c.yaml"]
