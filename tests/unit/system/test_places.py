"""Where things live, and that a client finds the socket without loading anything heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vragd.errors import ConfigError
from vragd.system import places


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("VRAGD_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_configuration_is_the_flag_the_environment_or_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.config_path() == home / ".config/vragd/config.yaml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert places.config_path() == Path("/xdg/vragd/config.yaml")
    monkeypatch.setenv("VRAGD_CONFIG", "~/env.yaml")
    assert places.config_path() == home / "env.yaml"
    assert places.config_path("/flag.yaml") == Path("/flag.yaml")
    assert places.config_path("relative.yaml") == Path.cwd() / "relative.yaml"


def test_the_data_directory_is_the_flag_the_environment_the_file_or_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.data_dir(None, None) == places.default_data_dir()
    assert places.default_data_dir(macos=False) == home / ".local/share/vragd"
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    assert places.default_data_dir(macos=False) == Path("/xdg/vragd")
    assert places.data_dir(None, Path("/file")) == Path("/file")
    monkeypatch.setenv("VRAGD_DATA_DIR", "/env")
    assert places.data_dir(None, Path("/file")) == Path("/env")
    assert places.data_dir("~/flag", Path("/file")) == home / "flag"


def test_the_socket_is_in_the_runtime_directory_or_below_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = 987_654  # has no /run/user
    assert places.default_socket(macos=False, uid=nobody) == home / ".local/state/vragd/run/vragd.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert places.default_socket(macos=False, uid=nobody) == Path("/run/user/1/vragd/vragd.sock")


def test_macos_has_its_own_places(home: Path) -> None:
    assert places.default_data_dir(macos=True) == home / "Library/Application Support/vragd"
    assert places.default_socket(macos=True) == home / "Library/Caches/vragd/run/vragd.sock"


def test_a_socket_path_the_system_cannot_bind_is_refused_with_a_way_out() -> None:
    fits = "/" + "s" * (places.MAX_SOCKET_PATH - 1)
    assert places.socket_path(fits, None) == Path(fits)
    with pytest.raises(ConfigError, match=f"{places.MAX_SOCKET_PATH + 1} bytes") as caught:
        places.socket_path(fits + "s", None)
    assert "VRAGD_SOCKET" in caught.value.hint
    with pytest.raises(ConfigError):
        places.socket_path(None, Path("/" + "é" * 60))  # bytes count, not characters


@pytest.mark.parametrize(
    "text",
    [
        "paths:\n  socket: ~/s.sock\n",
        "paths: {data: /d, socket: ~/s.sock}\n",
        '{"paths": {"socket": "~/s.sock"}}',
        "paths:\n  {\n    'socket': ~/s.sock\n  }\n",
        "paths:\n    data: /d\n    socket:   ~/s.sock # here\n",
        "\ufeffpaths: {socket: ~/s.sock}",
    ],
)
def test_a_client_finds_the_socket_the_file_names(home: Path, text: str) -> None:
    (home / "c.yaml").write_text(text)
    assert places.client_socket(None, str(home / "c.yaml")) == home / "s.sock"
    assert places.client_socket("/flag.sock", str(home / "c.yaml")) == Path("/flag.sock")


@pytest.mark.parametrize(
    "text",
    [
        "paths: {data: /d}",
        "paths:\n  # socket: /s\n",
        "socket: /s",
        "paths: [socket: /s",
        "paths:\n  socket: [1]\n",
        "paths:\n  socket:\n",
        "paths:\n  socket: ~nobody-of-this-name/s\n",
        "paths:\n  socket: 2026-13-45\n",
        "- socket: /s",
        "",
    ],
)
def test_a_client_takes_the_default_where_the_file_names_none_or_is_broken(home: Path, text: str) -> None:
    (home / "c.yaml").write_text(text)
    assert places.client_socket(None, str(home / "c.yaml")) == places.default_socket()


def test_a_client_takes_the_default_where_the_file_cannot_be_read(home: Path) -> None:
    (home / "c.yaml").write_bytes(b"paths: {socket: /caf\xe9}")
    assert places.client_socket(None, str(home / "c.yaml")) == places.default_socket()
    assert places.client_socket(None, str(home)) == places.default_socket()
    assert places.client_socket(None, str(home / "none.yaml")) == places.default_socket()


CHECK = """
import sys
from vragd.system import places
print(places.client_socket(None, sys.argv[1]))
print(sorted({"yaml", "pydantic", "structlog", "numpy", "vragd.config.load"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ("stores: {notes: {sources: [{path: /v}]}}\npaths:\n  # socket: /s\n  data: /d\n", "[]"),
        ("paths:\n  socket: /s\n", "['yaml']"),
    ],
)
@pytest.mark.slow
def test_a_client_loads_no_yaml_unless_the_file_names_a_socket(home: Path, text: str, loaded: str) -> None:
    (home / "c.yaml").write_text(text)
    environment = {**os.environ, "XDG_RUNTIME_DIR": "/run/user/1"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(home / "c.yaml")],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.splitlines()[1] == loaded
