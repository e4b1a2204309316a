"""Where a command looks for the daemon's socket, without loading the configuration where it can be helped."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.api import Client
from vragd.cli.connect import client, client_socket, data_dir_of
from vragd.cli.main import main, parser
from vragd.errors import ConfigError, NoDaemon, NotRunning
from vragd.system import places
from vragd.system.lock import only_process, record


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


@pytest.mark.parametrize("words", [["query", "x"], ["status"], ["files"], ["stop"], ["store", "list"]])
@pytest.mark.parametrize("named", ["none.yaml", ".", "c.yaml/none.yaml"])
def test_a_named_file_that_is_not_there_asks_no_other_daemon(
    home: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    words: list[str], named: str,
) -> None:  # fmt: skip
    (home / "c.yaml").touch()
    for flags in (["--config", str(home / named)], ["--config", str(home / named), "--socket", str(elsewhere)]):
        assert main([*words, *flags]) == 2
        said = capsys.readouterr().err
        assert "--config names, " in said, said
        assert "leave --config out" in said
    monkeypatch.setenv("VRAGD_CONFIG", str(home / named))
    assert main(words) == 2
    assert "unset VRAGD_CONFIG" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="VRAGD_CONFIG names"):
        Client()


def test_where_the_daemon_is_named_the_environment_s_file_need_not_be_there(
    home: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VRAGD_CONFIG", str(home / "none.yaml"))
    args = parser().parse_args(["status", "--socket", str(elsewhere)])
    assert client(args).request("GET", "/healthz") == {}
    monkeypatch.setenv("VRAGD_DATA_DIR", str(home / "data"))
    assert data_dir_of(args) == home / "data"


@pytest.mark.parametrize("words", [["verify"], ["files"], ["store", "list"]])
def test_where_the_named_daemon_is_away_no_other_s_data_are_taken(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setenv("VRAGD_CONFIG", str(home / "none.yaml"))
    monkeypatch.setenv("VRAGD_SOCKET", str(home / "none.sock"))
    assert main(words) == 2
    assert "unset VRAGD_CONFIG" in capsys.readouterr().err
    assert not places.default_data_dir().exists()


def test_who_makes_the_file_is_not_refused_for_its_absence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, name in (("add", "a.yaml"), ("init", "b.yaml")):
        (home / "Vault").mkdir(exist_ok=True)
        assert main([command, str(home / "Vault"), "--config", str(home / name)]) == 0
        assert f"wrote {home / name}" in capsys.readouterr().out


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


# -- a daemon that was started with another environment --------------------------------------------


@pytest.fixture
def elsewhere(home: Path) -> Iterator[Path]:
    """A daemon of ours, which answers somewhere else than a client looks."""
    served = home / "s"
    with socket.socket(socket.AF_UNIX) as listener, only_process(home / ".local/share/vragd") as lock:
        listener.bind(str(served))
        listener.listen()
        record(lock, served)
        thread = threading.Thread(target=answer_once, args=(listener,), daemon=True)
        thread.start()
        yield served
        listener.close()


def answer_once(listener: socket.socket) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


def arguments(**given: str) -> argparse.Namespace:
    return argparse.Namespace(**{"socket": None, "config": None, "data_dir": None} | given)


def test_a_client_finds_the_daemon_that_holds_the_data_directory(
    home: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "another"))
    found = client(arguments())
    assert found.request("GET", "/healthz") == {}
    assert found.path == elsewhere


def test_who_names_a_data_directory_asks_whoever_holds_it_and_nobody_else(
    home: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    (home / "vragd").mkdir()
    with socket.socket(socket.AF_UNIX) as usual:
        usual.bind(str(places.default_socket()))
        usual.listen()
        for directory in (home / "none", home):
            with pytest.raises(NotRunning, match="nothing answers at"):
                client(arguments(data_dir=str(directory))).request("GET", "/healthz")
            monkeypatch.setenv("VRAGD_DATA_DIR", str(directory))
            with pytest.raises(NotRunning, match="nothing answers at"):
                Client().request("GET", "/healthz")
            monkeypatch.delenv("VRAGD_DATA_DIR")
        asked = client(arguments(data_dir=str(home / ".local/share/vragd")))
        assert asked.request("GET", "/healthz") == {}
        assert asked.path == elsewhere


def test_a_data_directory_that_the_file_names_is_looked_into(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "c.yaml").write_text("paths: {data: ~/mine}\n")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "another"))
    with socket.socket(socket.AF_UNIX) as listener, only_process(home / "mine") as lock:
        listener.bind(str(home / "s"))
        listener.listen()
        record(lock, home / "s")
        threading.Thread(target=answer_once, args=(listener,), daemon=True).start()
        assert client(arguments(config=str(home / "c.yaml"))).request("GET", "/healthz") == {}


def test_a_socket_that_was_named_is_the_only_one(home: Path, elsewhere: Path) -> None:
    with pytest.raises(NoDaemon, match=r"nothing answers at .*named"):
        client(arguments(socket=str(home / "named"))).request("GET", "/healthz")


def test_a_record_of_a_daemon_that_is_gone_is_no_answer(home: Path) -> None:
    with only_process(home / ".local/share/vragd") as lock:
        record(lock, home / "gone")
    with pytest.raises(NoDaemon, match="no vragd is running"):
        client(arguments()).request("GET", "/healthz")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_another_users_data_directory_is_named_as_such(home: Path) -> None:
    data = home / ".local/share/vragd"
    with only_process(data) as lock:
        record(lock, home / "s")
    for path in (data, data / "lock"):
        os.chown(path, 1, 1)
    with pytest.raises(NoDaemon, match=r"is that of user daemon|is that of user 1"):
        client(arguments()).request("GET", "/healthz")
