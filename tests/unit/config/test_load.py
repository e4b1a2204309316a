"""The configuration file: what is accepted, and how each mistake is told."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from vragd.config.load import Loaded, load, parse
from vragd.config.settings import Config
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "VRAGD_CONFIG", "VRAGD_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("VRAGD_SOCKET", "VRAGD_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def complaint(text: str) -> str:
    """What is said about `text`. It always names the file and a line of it."""
    text = textwrap.dedent(text)
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.yaml")
    assert caught.value.exit_status == 2
    assert caught.value.daemon_status == 78
    for line in caught.value.message.splitlines():
        match = re.match(r"c\.yaml:(\d+): ", line)
        assert match, line
        assert 1 <= int(match[1]) <= text.count("\n") + 1
    assert caught.value.message.startswith(f"c.yaml:{caught.value.line}: ")
    return caught.value.message


def refused(file: Path, text: str, **flags: Any) -> str:
    file.write_text(textwrap.dedent(text))
    with pytest.raises(ConfigError) as caught:
        load(file, **flags)
    assert caught.value.hint
    assert caught.value.message.startswith(f"{file}:{caught.value.line}: ")
    return caught.value.message.removeprefix(f"{file}:")


def accepted(file: Path, text: str, **flags: Any) -> Loaded:
    file.write_text(textwrap.dedent(text))
    return load(file, **flags)


# --- what is accepted ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "{}", "stores: {}"])
def test_an_empty_file_means_the_defaults(text: str) -> None:
    assert parse(text, "c.yaml") == Config()


def test_a_whole_configuration_is_read(home: Path) -> None:
    config = parse(
        """
        stores:
          notes:
            sources:
              - path: ~/Vault
                name: main
                include: ["*.md", "Journal/**"]
                exclude: [Private/]
            metric: dot
          other.one:
            embedder: {type: ollama, model: nomic-embed-text, url: "http://127.0.0.1:11434/"}
            backend: {type: faiss, index: flat}
        watch: {rescan_minutes: 30}
        paths: {data: ~/data}
        log: {level: debug}
        """,
        "c.yaml",
    )
    source = config.stores["notes"].sources[0]
    assert source.path == home / "Vault"
    assert source.label == "main"
    assert source.exclude == ("Private/",)
    assert config.stores["notes"].embedder == BuiltinEmbedder()
    embedder = config.stores["other.one"].embedder
    assert isinstance(embedder, OllamaEmbedder)
    assert embedder.url == "http://127.0.0.1:11434"
    assert config.watch.rescan_minutes == 30
    assert config.paths.data == home / "data"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().log.level = "debug"


# --- what is complained about ------------------------------------------------------------------------


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() -> None:
    assert complaint("log:\n  level: info\n  pathes: true\n") == (
        "c.yaml:3: unknown key 'log.pathes'; did you mean 'paths'?"
    )
    assert "c.yaml:1: unknown key 'store'; did you mean 'stores'?" in complaint("store: {}\n")


def test_an_unknown_key_like_no_other_lists_what_is_known() -> None:
    known = "file, format, keep, level, max_mib, paths"
    assert complaint("log: {xyzzy: 1}") == f"c.yaml:1: unknown key 'log.xyzzy'; known here: {known}"


def test_an_unknown_key_inside_a_list_is_found() -> None:
    text = "stores:\n  notes:\n    sources:\n      - path: /a\n      - path: /b\n        exlude: [x]\n"
    assert complaint(text) == ("c.yaml:6: unknown key 'stores.notes.sources.1.exlude'; did you mean 'exclude'?")


def test_a_wrong_type_is_told_with_its_line_and_what_was_found() -> None:
    told = complaint("watch:\n  settle_ms: soon\nlog:\n  paths: 1\n")
    assert "c.yaml:2: watch.settle_ms: " in told
    assert "expected a whole number" in told
    assert "found 'soon'" in told
    assert "c.yaml:4: log.paths: " in told


@pytest.mark.parametrize(
    "text",
    [
        "watch: {settle_ms: 5}",
        "watch: {rescan_minutes: 0}",
        "watch: {poll_s: .inf}",
        "watch: {poll_s: .nan}",
        "watch: {settle_ms: '250'}",
        "limits: {delete_guard_share: 1.5}",
        "limits: {max_connections: yes}",
        "stores: [notes]",
        "stores: {notes: 3}",
        "stores: {notes: {sources: /a}}",
        "stores: {notes: {sources: [/a]}}",
        "stores: {notes: {sources: [{path: 3}]}}",
        "stores: {notes: {metric: manhattan}}",
        "log: {level: INFO}",
        "log:",
    ],
)
def test_values_out_of_shape_or_range_are_refused(text: str) -> None:
    assert complaint(text)


@pytest.mark.parametrize("path", ["relative/vault", "~", "3", "[/a]", "~nobody-of-this-name/vault", '"/a\\0b"', '""'])
def test_a_path_that_cannot_be_one_is_refused(path: str) -> None:
    assert complaint(f"stores:\n  notes:\n    sources:\n      - path: {path}\n").startswith("c.yaml:4: ")


@pytest.mark.parametrize("pattern", ["'!'", "'[z-a]'", "'a\\'"])
def test_a_pattern_gitignore_would_not_know_is_refused(pattern: str) -> None:
    text = f"stores:\n  notes:\n    sources:\n      - path: /a\n        exclude: ['*.x', {pattern}]\n"
    assert complaint(text).startswith("c.yaml:5: ")


def test_a_missing_key_is_named_with_the_line_of_what_lacks_it() -> None:
    text = "stores:\n  notes:\n    sources:\n      - name: x\n"
    assert complaint(text) == "c.yaml:4: stores.notes.sources.0 needs the key 'path'"


@pytest.mark.parametrize(
    ("embedder", "told"),
    [
        ("{type: ollama}", "needs the key 'model'"),
        ("{type: ollama, model: m, url: ftp://x}", "expected something like http://127.0.0.1:11434"),
        ("{type: ollama, modell: m, model: m}", "did you mean 'model'?"),
        ("{type: builtin, model: m}", "unknown key"),
        ("{type: another}", "another"),
        ("{type: openai, model: m}", "needs the key 'url'"),
        ("{model: m}", "type"),
        ("fast", "found 'fast'"),
    ],
)
def test_complaints_about_one_of_several_kinds_are_readable(embedder: str, told: str) -> None:
    message = complaint(f"stores:\n  notes:\n    embedder: {embedder}\n")
    assert message.startswith("c.yaml:3: ")
    assert told in message
    for noise in (
        "BuiltinEmbedder",
        "function-",
        "[key]",
        "tagged-union",
        "embedder.ollama",
        "embedder.builtin",
    ):
        assert noise not in message


@pytest.mark.parametrize("name", ["ab", "Notes", "no_tes", "-notes", "notes-", "a" * 64, "no tes", "日本日本"])
def test_a_store_name_s3_would_refuse_is_refused(name: str) -> None:
    assert "not 3 to 63 characters" in complaint(f"stores:\n  {name}: {{}}\n")


def test_every_mistake_is_told_at_once() -> None:
    assert len(complaint("log: {a: 1}\nwatch: {b: 2}\nlimits: {c: 3}\n").splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("log: {level: info}\nlog: {level: debug}\n", 2),
        ("log:\n  level: info\n  paths: true\n  level: debug\n", 4),
        ("stores:\n  notes: {}\n  notes: {}\n", 3),
    ],
)
def test_a_key_given_twice_is_refused(text: str, line: int) -> None:
    assert complaint(text).startswith(f"c.yaml:{line}: ")
    assert "given twice" in complaint(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("log: {level: info", 1),
        ("log:\n\tlevel: info\n", 2),
        ("a: b\n: : :\n  - x", 2),
        ("log:\n  level: \x07\n", 2),
        ("a: 1\nb: 2026-13-45\n", 2),
        ("a: !!python/object/apply:os.system [ls]\n", 1),
        ("a: 1\n? [list, as, key]\n: 2\n", 2),
        ("a: *nowhere\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: !!int ''\n", 1),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(text: str, line: int) -> None:
    message = complaint(text)
    assert message.startswith(f"c.yaml:{line}: ")
    assert "not valid YAML" in message


@pytest.mark.parametrize("text", ["- a\n- b", "just words", "3"])
def test_anything_but_keys_at_the_top_is_refused(text: str) -> None:
    assert "expected keys like 'stores:'" in complaint(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]\n",
        "a: " + "[" * 3_000 + "]" * 3_000,
        "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9) if i else 1}]\n" for i in range(12)),
    ],
    ids=["itself", "deep", "laughs"],
)
@pytest.mark.slow
def test_yaml_that_goes_round_or_expands_is_refused_and_not_followed(text: str) -> None:
    assert complaint(text)


# --- the file ----------------------------------------------------------------------------------------


def test_a_missing_file_is_refused_or_means_the_defaults(file: Path) -> None:
    with pytest.raises(ConfigError, match="there is no configuration file") as caught:
        load(file)
    assert "vragd init" in caught.value.hint
    loaded = load(file, required=False)
    assert loaded.config == Config()
    assert loaded.file is None


def test_a_file_that_is_not_utf8_is_refused_and_a_mark_is_not_minded(file: Path) -> None:
    file.write_bytes(b"log: {level: debug} # caf\xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(file)
    file.write_bytes(b"\xef\xbb\xbflog: {level: debug}")
    assert load(file).config.log.level == "debug"


def test_a_directory_or_a_huge_file_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path, required=False)
    file.write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigError, match="more than 1048576 bytes"):
        load(file)


def test_loading_writes_and_makes_nothing(file: Path, home: Path) -> None:
    accepted(file, "stores: {notes: {sources: [{path: ~/Vault}]}}")
    assert list(home.iterdir()) == []


# --- places --------------------------------------------------------------------------------------------


def vaults(*paths: object, data: object = "/nonexistent/data") -> str:
    """A configuration with one source a line from line 4 on, all in one store."""
    lines = "".join(f"      - {{path: {path}, name: s{i}}}\n" for i, path in enumerate(paths))
    return f"stores:\n  notes:\n    sources:\n{lines}paths: {{data: {data}}}\n"


def test_the_root_and_the_home_directory_are_refused(file: Path, home: Path, tmp_path: Path) -> None:
    assert refused(file, vaults("/")).startswith("4: source / of store 'notes' is the root")
    assert "is the home directory" in refused(file, vaults("/a", "~/")).removeprefix("5: ")
    (tmp_path / "link").symlink_to(home)
    assert "is the home directory" in refused(file, vaults(tmp_path / "link"))


def test_overlapping_sources_are_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "v" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "v" / "sub")
    vault = tmp_path / "v"
    for other in (vault, vault / "sub", tmp_path / "link", vault / "sub" / "..", f"{vault}/"):
        assert refused(file, vaults(vault, other)).startswith("5: ")
        assert "overlaps" in refused(file, vaults(vault, other))
    assert accepted(file, vaults(vault, tmp_path / "v2"))


def test_overlapping_sources_of_two_stores_are_refused_but_the_same_folder_is_not(file: Path) -> None:
    two = "stores:\n  one: {{sources: [{{path: /v}}]}}\n  two: {{sources: [{{path: {}}}]}}\n"
    assert refused(file, two.format("/v/sub")).startswith("3: ")
    assert accepted(file, two.format("/v"))


def test_two_sources_of_a_store_need_two_names(file: Path) -> None:
    text = "stores:\n  notes:\n    sources:\n      - path: /a/v\n      - path: /b/v\n"
    assert refused(file, text).startswith("5: store 'notes' has two sources called 'v'")


def test_data_or_socket_inside_a_vault_is_refused_also_through_a_link(file: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    (tmp_path / "link").symlink_to(vault)
    for place in (vault, vault / "data", tmp_path / "link" / "data"):
        assert refused(file, vaults(vault, data=place)).startswith("4: the data directory")
        assert refused(file, vaults(vault), data_dir=str(place)).startswith("4: the data directory")
    assert refused(file, vaults(vault), socket=str(tmp_path / "link" / "s")).startswith("4: the socket")


def test_vectors_inside_a_vault_are_refused_whichever_store_they_are_of(file: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(one)
    for place in (one / "v.db", tmp_path / "link" / "sub" / "v.db", one):
        second = {"sources": [{"path": str(two)}], "backend": {"type": "sqlite", "path": str(place)}}
        said = refused(file, json.dumps({"stores": {"first": {"sources": [{"path": str(one)}]}, "second": second}}))
        assert said == f"1: the vectors of store 'second', {place} is inside source {one} of store 'first'"


def test_a_vault_inside_the_data_directory_is_refused(file: Path) -> None:
    assert "is inside the data directory" in refused(file, vaults("/data/vault", data="/data"))


# --- precedence ------------------------------------------------------------------------------------------


def test_flag_beats_environment_beats_file_beats_default(
    file: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accepted(file, "").data_dir.is_relative_to(home)
    assert accepted(file, "").config.log.level == "info"
    text = "paths: {data: /file/data, socket: /file/s}\nlog: {level: error}"
    loaded = accepted(file, text)
    assert (loaded.data_dir, loaded.socket) == (Path("/file/data"), Path("/file/s"))
    assert loaded.config.log.level == "error"
    monkeypatch.setenv("VRAGD_DATA_DIR", "/env/data")
    monkeypatch.setenv("VRAGD_SOCKET", "/env/s")
    monkeypatch.setenv("VRAGD_LOG_LEVEL", "warning")
    loaded = accepted(file, text)
    assert (loaded.data_dir, loaded.socket) == (Path("/env/data"), Path("/env/s"))
    assert loaded.config.log.level == "warning"
    loaded = accepted(file, text, data_dir="/flag/data", socket="~/s", log_level="debug")
    assert (loaded.data_dir, loaded.socket) == (Path("/flag/data"), home / "s")
    assert loaded.config.log.level == "debug"


def test_an_unknown_log_level_from_outside_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRAGD_LOG_LEVEL", "loud")
    with pytest.raises(ConfigError, match="'loud' is not one of debug"):
        accepted(file, "")


def test_what_was_given_is_told_as_it_was_given() -> None:
    told = complaint("stores:\n  notes:\n    sources:\n      - path: Vault\n")
    assert "sources.0.path: Vault is not an absolute path" in told
