"""A home with all that `vragd purge` may find, and the command itself."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from vragd.cli.main import main
from vragd.cli.service.units import socket_unit, user_service

LOGGED = '{"event": "daemon.service_ready", "level": "info", "timestamp": "2026-01-01T00:00:00Z"}\n'
OWN = ("lock", "stores/notes/catalog.db", "stores/notes/catalog.db-wal", "stores/notes/catalog.db.corrupt-2026-wal",
       "stores/notes/picture.layout", "stores/notes/store.json", "stores/notes/remote",
       "stores/notes/index/notes/vectors.faiss",
       "stores/notes/replicas/old/faiss/notes/vectors.faiss", "stores/notes/.remote.0a1b2c3d.tmp",
       "stores/.old.0a1b2c3d.deleted.tmp/catalog.db", ".lock.00000000.tmp", "imported/back.db",
       "imported/back.db-wal", "imported/back.db.lock",
       "imported/back.db.damaged", "imported/back.db.damaged.2-wal")  # fmt: skip
FOREIGN = (
    "mine.md",
    "stores/notes/index/notes/mine.txt",
    "stores/notes/replicas/old/faiss/mine.txt",
    "stores/README",
    "imported/mine.md",
    "stores/notes/draft.md",
    "stores/Notes of mine/a.md",
)


def full_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which vragd has a vault, an index, and whatever else it can put down."""
    for name in list(os.environ):
        if name.startswith(("VRAGD_", "XDG_", "BASH_COMPLETION")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no service manager is asked
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    vault = tmp_path / "Vault"
    put(vault, ".obsidian/app.json", "a.md")
    put(data(tmp_path), *OWN, *FOREIGN)
    units = tmp_path / ".config/systemd/user"
    put(units, "vragd.service", text=user_service("vragd run", None))
    put(units, "vragd.socket", text=socket_unit("%t/vragd/vragd.sock"))
    (tmp_path / ".config/systemd/user/default.target.wants").mkdir()
    (tmp_path / ".config/systemd/user/default.target.wants/vragd.service").symlink_to("../vragd.service")
    for name in ("vragd.log", "vragd.log.1"):
        put(tmp_path / ".local/state/vragd", name, text=LOGGED)
    put(tmp_path / ".local/state/vragd", "vragd.log.2", text="pretty")
    put(tmp_path, ".config/vragd/config.yaml", text=f"stores: {{notes: {{sources: [{{path: {vault}}}]}}}}\n")
    put(tmp_path, ".config/vragd/config.yaml.bak")
    (tmp_path / "run/vragd").mkdir(parents=True)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "run/vragd/vragd.sock"))
    left.close()
    for words in (["completion", "fish", "--install"], ["mcp", "install", "cursor"]):
        assert main(words) == 0
    return tmp_path


def data(home: Path) -> Path:
    return home / ".local/share/vragd"


def put(folder: Path, *names: str, text: str = "") -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def purged(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    capsys.readouterr()
    assert main(["purge", "--json", *words]) == status
    return json.loads(capsys.readouterr().out)


@contextmanager
def answering(place: Path, status: dict[str, Any]) -> Iterator[None]:
    """Somebody who says that of himself at that socket."""
    body = json.dumps(status).encode()
    ended = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as asked:
                if ended.is_set():
                    return
                while asked.readline().strip():
                    pass
                with suppress(OSError):  # who only looks whether somebody answers has gone
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(place))
            thread.join()
            place.unlink(missing_ok=True)
