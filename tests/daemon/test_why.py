"""Of a file it is told whether it is searched, and if not why not; of all how it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.harness import until, vragd


def test_each_file_has_its_reason_and_a_searched_one_its_passages(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        settings = daemon.vault / ".obsidian"
        settings.mkdir()
        (settings / "app.json").write_text(json.dumps({"userIgnoreFilters": ["Secret/"]}))
        one = "---\naliases: [numbats]\n---\n# One\n\nnumbat\n"
        for name, text in (("a.md", one), ("out.md", "---\nvragd: false\n---\nx\n"), ("b.xyz", "x"),
                           ("Secret/c.md", "x"), ("~$d.md", "x")):  # fmt: skip
            (daemon.vault / name).parent.mkdir(exist_ok=True)
            (daemon.vault / name).write_text(text)
        daemon.start()
        found = daemon.run("files", "--why", str(daemon.vault / "a.md"))
        assert (found.returncode, "searched, 1 passage" in found.stdout, " One" in found.stdout) == (0, True, True)
        assert (
            daemon.run("files", "--why", "a.md").stdout
            == daemon.run("files", "--why", "Vault/a.md").stdout
            == found.stdout
        )
        for name, why in (
            ("out.md", "it says vragd: false"),
            ("b.xyz", "no pattern of include"),
            ("Secret/c.md", "Obsidian's Excluded files"),
            (".obsidian/app.json", "begins with a dot"),
            ("~$d.md", "temporary file"),
            ("none.md", "there is no such file"),
        ):
            told = daemon.run("files", "--why", str(daemon.vault / name))
            assert (told.returncode, why in told.stdout) == (1, True), told.stdout
        odd = daemon.vault / os.fsdecode(b"caf\xe9.md")
        odd.write_text("quokka\n")
        until(lambda: daemon.paths("quokka") == ["caf%E9.md"], "a name that is no UTF-8")
        assert "Vault/caf%E9.md" in daemon.run("files").stdout
        said = {
            daemon.run("files", "--why", one).stdout for one in ("Vault/caf%E9.md", "caf%E9.md", str(odd), odd.name)
        }
        assert (len(said), "Vault/caf%E9.md in store notes: searched, 1 passage" in said.pop()) == (1, True), said
        for name, why in (("Secret/c.md", "Obsidian's Excluded files"), ("Vault/Secret", "Obsidian's Excluded files")):
            assert why in daemon.run("files", "--why", name).stdout, "as its vault has it, and a folder"
        (daemon.vault / "Empty").mkdir()
        assert "it is a folder" in daemon.run("files", "--why", "Vault/Empty").stdout
        (daemon.vault / ".trash").mkdir()
        assert "it is a folder" not in daemon.run("files", "--why", "Vault/.trash").stdout, "nothing is listed of it"
        called = found.stdout
        assert [daemon.run("files", "--why", name).stdout for name in ("a", "numbats", "A.md")] == [called] * 3
        assert "vragd: false" in daemon.run("files", "--why", "out").stdout, "what is no note is by its file's name"
        for folder in ("Deep", "Wide"):
            (daemon.vault / folder).mkdir()
            (daemon.vault / folder / "e.md").write_text(f"wombat {folder}\n")
        until(lambda: len(daemon.paths("wombat")) == 2, "two of a name")
        asked = daemon.run("files", "--why", "e")
        assert (asked.returncode, "which one? " in asked.stderr) == (2, True), asked
        assert "Vault/Deep/e.md" in daemon.run("files", "--why", "deep/e").stdout
        (told,) = json.loads(daemon.run("files", "--why", "Vault/out.md", "--json").stdout)["files"]
        assert (told["state"], told["reason"]) == ("skipped", "opted_out")
        elsewhere = daemon.run("files", "--why", "/etc/passwd")
        assert (elsewhere.returncode, "no such file in a folder that is searched" in elsewhere.stdout) == (1, True)


def test_status_is_a_sentence_and_goes_on_when_watched(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "a.md").write_text("numbat\n")
        daemon.start()
        first = daemon.run("status").stdout.splitlines()[0]
        assert first.startswith("1 note searchable, newest ")
        log = tmp_path / "watched"
        with log.open("wb") as stream:
            watching = subprocess.Popen(
                [sys.executable, "-m", "vragd", "status", "--watch"], env=daemon.env, stdout=stream
            )
            try:
                until(lambda: "1 note searchable." in log.read_text(), "the first sentence")
                (daemon.vault / "b.md").write_text("wombat\n")
                until(lambda: "All 2 notes searchable." in log.read_text(), "the second")
                os.kill(watching.pid, signal.SIGINT)
                assert watching.wait(20) == 0
            finally:
                watching.kill()
                watching.wait()
