"""Where a command looks for the daemon's socket, without loading the configuration where it can be helped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vragd.cli.connect import client_socket
from vragd.system import places


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("VRAGD_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(places, "MACOS", False)
    return tmp_path


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
    assert client_socket(None, str(home / "c.yaml")) == home / "s.sock"
    assert client_socket("/flag.sock", str(home / "c.yaml")) == Path("/flag.sock")


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
    assert client_socket(None, str(home / "c.yaml")) == places.default_socket()


def test_a_client_takes_the_default_where_the_file_cannot_be_read(home: Path) -> None:
    (home / "c.yaml").write_bytes(b"paths: {socket: /caf\xe9}")
    assert client_socket(None, str(home / "c.yaml")) == places.default_socket()
    assert client_socket(None, str(home)) == places.default_socket()
    assert client_socket(None, str(home / "none.yaml")) == places.default_socket()


CHECK = """
import sys
from vragd.cli.connect import client_socket
print(client_socket(None, sys.argv[1]))
print(sorted({"yaml", "pydantic", "structlog", "numpy", "vragd.config.load"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ("stores: {notes: {sources: [{path: /v}]}}\npaths:\n  # socket: /s\n  data: /d\n", "[]"),
        ("paths:\n  socket: /s\n", "['yaml']"),
    ],
)
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
