"""Wrong input gets a clear error with the way out, no traceback, the right status, and loses nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.catalogs import beside
from tests.harness import PYTHONS, Vragd, copy_vault, until, vragd
from vragd import __file__ as source_of_vragd
from vragd.errors import TooLarge, UsageError

NOBODY = 65534


def refused(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.stdout == ""
    assert [word for word in words if word not in done.stderr] == [], done.stderr


def test_a_typo_in_the_configuration_names_line_and_nearest_key(tmp_path: Path) -> None:
    daemon = Vragd(tmp_path)
    daemon.config_file.write_text("stores: {}\nwatch:\n  setle_ms: 100\n")
    refused(daemon.run("run"), 78, "config.yaml:3", "setle_ms", "settle_ms")
    refused(daemon.run("config", "check"), 2, "config.yaml:3", "setle_ms")


def test_without_a_configuration_run_explains_init(tmp_path: Path) -> None:
    daemon = Vragd(tmp_path)
    daemon.config_file.unlink()
    refused(daemon.run("run"), 78, "no configuration file", "vragd init")


def test_without_a_configuration_run_serves_what_commands_made(tmp_path: Path) -> None:
    home = Vragd(tmp_path)
    env = {name: value for name, value in home.env.items() if name != "VRAGD_CONFIG"}
    home.config_file.unlink()
    (home.vault / "Heron.md").write_text("# Heron\n\nThe heron came back.\n")

    def done(*args: str) -> str:
        told = subprocess.run(
            [sys.executable, "-m", "vragd", *args],
            env=env, cwd=home.vault, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return f"{told.returncode} {told.stdout}{told.stderr}"

    assert done("run").startswith("78 "), "there is nothing to serve"
    assert done("index", "*.md", "-s", "birds").startswith("0 ")
    assert done("run", "--config", "none.yaml").startswith("78 "), "what is named has to be there"
    try:
        for start in (("run", "--detach"), ("restart",)):
            assert done(*start).startswith("0 ")
            assert home.client.request("GET", "/v1/status")["config"] is None
            assert "Heron.md" in done("query", "-l", "heron")
            assert done("reload").startswith("0 ")
    finally:
        assert done("stop").startswith("0 ")


def test_without_a_daemon_query_says_how_to_start_it(tmp_path: Path) -> None:
    refused(Vragd(tmp_path).run("query", "x"), 3, "no vragd is running", "vragd run")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["query", "x", "-s", "nope"], ["'nope'", "notes"]),
        (["query", "x", "-k", "0"], ["-k: expected a whole number, 1 to 1,000, not '0'"]),
        (["query", "x", "-n", "10000"], ["1 to 1,000"]),
        (["query", "x", "-s", "note"], ["'note'", "notes"]),
        (["query", "  "], ["empty"]),
        (["query", "  ", "-s", "notes"], ["question is empty", "variable"]),
        (["sync", "/etc/passwd"], ["in no source"]),
        (["sync", "", "--confirm-deletes"], ["path is empty", "variable"]),
        (["query", "x", "-s", ""], ["store is empty"]),
        (["query", "x", "--source", ""], ["source is empty"]),
        (["query", "x", "--folder", " "], ["folder is empty"]),
        (["get", " "], ["note is empty"]),
        (["index", "", "-s", "other"], ["pattern is empty"]),
        (["status", "--socket", ""], ["socket is empty"]),
        (["init", ""], ["vault is empty"]),
        (["query", "x", "--bucket", "b", "--endpoint-url", ""], ["endpoint-url is empty"]),
        (["store", "list", "--backend", ""], ["backend is empty"]),
        (["store", "info", "nope"], ["'nope'", "notes"]),
        (["store", "create", "Bad Name"], ["'Bad Name'", "a-z"]),
        (["store", "create", "notes"], ["exists"]),
        (["index", "*.md", "-s", "other"], ["is the home directory"]),
        (["init", "/no/such/folder"], ["configuration already"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words_are_refused(running: Vragd, args: list[str], words: list[str]) -> None:
    refused(running.run(*args), 2, *words)


def test_a_pattern_that_matches_nothing_is_refused(running: Vragd) -> None:
    pattern = str(running.vault / "no-such-*.md")
    refused(running.run("index", pattern, "-s", "other"), 2, "nothing below", "no-such-*.md")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with vragd(tmp_path_factory.mktemp("home")) as daemon:
        (daemon.vault / "a.md").write_text("a note\n")
        yield daemon.start()


def test_a_query_of_ten_megabytes_is_refused_and_the_daemon_goes_on(running: Vragd) -> None:
    with pytest.raises(TooLarge, match="more than 262144 bytes"):
        running.query("x" * 10_000_000)
    with pytest.raises(UsageError, match="32768"):
        running.query("x" * 40_000)
    assert running.paths("note") == ["a.md"]


def test_a_missing_vault_is_waited_for(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.vault.rmdir()
        daemon.start(idle=False)
        assert "source_offline" in daemon.query("x")["degraded"]
        daemon.vault.mkdir()
        (daemon.vault / "a.md").write_text("here at last\n")
        until(lambda: daemon.paths("here at last", mode="keyword") == ["a.md"], "the vault")


def test_notes_that_are_no_proper_text_are_indexed_or_skipped_with_a_reason(running: Vragd) -> None:
    (running.vault / "latin.md").write_bytes("caf\xe9 numbat\n".encode("latin-1"))
    (running.vault / "broken.md").write_text("---\ntitle: [unclosed\n  : :\n---\nafter a broken wombat\n")
    (running.vault / "binary.md").write_bytes(b"\0\1\2" * 100)
    (running.vault / "large.md").write_bytes(b"a" * (8 * 1024 * 1024 + 1))
    os.mkfifo(running.vault / "fifo.md")
    until(lambda: running.paths("numbat", mode="keyword") == ["latin.md"], "the one that is not UTF-8")
    until(lambda: running.paths("wombat", mode="keyword") == ["broken.md"], "the one with broken front matter")
    running.settle()
    assert running.files()["latin.md"]["reason"] == "not_utf8"
    reasons = {path: row["reason"] for path, row in running.files("skipped").items()}
    assert reasons == {"binary.md": "binary", "large.md": "too_large", "fifo.md": "not_a_regular_file"}
    (running.vault / "fifo.md").unlink()
    assert running.problems() == []


def test_a_newer_catalog_is_refused_and_not_touched(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.start()
        daemon.stop()
        catalog = daemon.data / "stores/notes/catalog.db"
        with beside(catalog, write=True) as db:
            db.execute("pragma journal_mode = delete")
            db.execute("pragma user_version = 99")
        before = catalog.read_bytes()
        refused(daemon.run("run"), 65, "schema 99", "upgrade")
        assert catalog.read_bytes() == before


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    daemon = Vragd(tmp_path)
    daemon.data.write_text("precious")
    refused(daemon.run("run"), 73, "is not a directory", str(daemon.data))
    assert daemon.data.read_text() == "precious"


class Nobody(Vragd):
    """A home that belongs to another user, and its commands run as that user."""

    python = sys.executable

    @property
    def env(self) -> dict[str, str]:
        packages = [path for path in sys.path if path.endswith("site-packages")]
        return super().env | {"PYTHONPATH": os.pathsep.join([str(Path(source_of_vragd).parents[1]), *packages])}

    def command(self, *args: str) -> list[str]:
        code = f"import os, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); "
        code += f"sys.argv = ['vragd', *{list(args)!r}]; from vragd.cli.main import main; sys.exit(main())"
        return [self.python, "-c", code]

    def run(self, *args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*args), env=self.env | env, capture_output=True, text=True, check=False)


@pytest.fixture
def nobodys() -> Any:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    place = Path("/var/tmp") / f"vragd-test-{os.getpid()}"
    daemon = Nobody(place)
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    try:
        for daemon.python in PYTHONS:
            if Path(daemon.python).exists() and daemon.run("config", "check").returncode == 0:
                break
        else:
            pytest.skip("another user cannot read this Python or this checkout")
        yield daemon
    finally:
        daemon.kill()
        shutil.rmtree(place)


def test_a_data_directory_that_cannot_be_written_is_refused(nobodys: Nobody) -> None:
    nobodys.data.mkdir(mode=0o700)  # root's
    refused(nobodys.run("run"), 73, str(nobodys.data))


def test_an_unreadable_vault_is_said_and_deletes_nothing(nobodys: Nobody) -> None:
    (nobodys.vault / "a.md").write_text("still here, numbat\n")
    (nobodys.vault / "a.md").chmod(0o644)
    with nobodys.log_file.open("ab") as log:
        nobodys.process = subprocess.Popen(nobodys.command("run"), env=nobodys.env, stderr=log)
    # to that daemon root is another user: only its own is answered
    until(lambda: "a.md" in nobodys.run("query", "numbat").stdout, "the note")
    os.chown(nobodys.vault, 0, 0)
    nobodys.vault.chmod(0o700)
    until(lambda: "may not be read by this user" in nobodys.run("status").stdout, "the vault to be unreadable")
    assert "a.md" in nobodys.run("query", "numbat").stdout
    os.chown(nobodys.vault, NOBODY, NOBODY)
    until(lambda: "may not be read" not in nobodys.run("status").stdout, "the vault to be readable again")
    assert "1 note " in nobodys.run("status").stdout


def test_another_user_is_not_answered(nobodys: Nobody) -> None:
    with nobodys.log_file.open("ab") as log:
        nobodys.process = subprocess.Popen(nobodys.command("run"), env=nobodys.env, stderr=log)
    until(lambda: nobodys.run("status").returncode == 0, "the daemon")
    with socket.socket(socket.AF_UNIX) as connection:  # root may connect whatever the modes say
        connection.settimeout(10)
        connection.connect(str(nobodys.socket))
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(1000) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass
    until(lambda: "server.peer_refused" in nobodys.log(), "the refusal in the log")
    assert nobodys.run("status").returncode == 0


def test_below_the_floor_of_free_space_indexing_waits_and_answers_go_on(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "a.md").write_text("before numbat\n")
        daemon.start()
        daemon.stop()
        daemon.configure(limits={"min_free_mib": 10**9})
        daemon.start(idle=False)
        (daemon.vault / "b.md").write_text("after\n")
        until(lambda: "disk_full" in daemon.status()["degraded"], "the floor")
        assert "min_free_mib" in daemon.store["trouble"]["hint"]
        assert daemon.paths("numbat") == ["a.md"]


def test_a_full_disk_loses_nothing_and_indexing_goes_on_when_there_is_space(tmp_path: Path) -> None:
    """On a real file system of 24 MiB, in a mount namespace of our own. The index needs about 6 at its peak."""
    mount = 'mount -t tmpfs -o size=24m none "$1" && shift && exec "$@"'
    disk = tmp_path / "disk"
    disk.mkdir()
    probe = ["unshare", "-Urm", "sh", "-c", mount, "sh", str(disk), "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine forbids mount namespaces")
    copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path, limits={"min_free_mib": 0}) as daemon:
        daemon.data = disk / "data"
        command = ["unshare", "-Urm", "sh", "-c", mount, "sh", str(disk), sys.executable, "-m", "vragd", "run"]
        with daemon.log_file.open("ab") as log:
            daemon.process = subprocess.Popen(command, env=daemon.env, stderr=log)
        until(daemon.answers, "the daemon")
        daemon.settle()
        inside = Path(f"/proc/{daemon.process.pid}/root{disk}")
        ballast = inside / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"\0" * 65_536)
        for i in range(200):
            (daemon.vault / f"more{i}.md").write_text(f"number{i} " + f"{i:0150} " * 10)  # bytes, but few word pieces
        until(lambda: "disk_full" in daemon.status()["degraded"], f"the disk to be full: {daemon.status()}", 60)
        assert daemon.paths("cost per use of socks")[0] == "Clippings/Buy wisely.md"
        ballast.unlink()
        until(lambda: not daemon.status()["pending"] and not daemon.status()["degraded"], "the index to catch up", 60)
        assert daemon.problems() == []
        assert daemon.paths("number77", mode="keyword") == ["more77.md"]
