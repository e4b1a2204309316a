"""Names of a real daemon on a command line, and nothing where none runs."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.test_excluded import exclude
from tests.harness import Vragd, until, vragd


def offered(daemon: Vragd, line: str) -> list[str]:
    done = daemon.run("_complete", "bash", line, " :=")
    assert (done.returncode, done.stderr) == (0, "")
    return [name for name in done.stdout.split("\0")[1:] if name]


def test_a_shell_is_told_what_there_is_and_nothing_that_is_hidden(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "Daily notes").mkdir()
        (daemon.vault / "Daily notes/it's: a $day\nor two.md").write_text("---\nstatus: x\n---\n#work\n")
        (daemon.vault / "Private").mkdir()
        (daemon.vault / "Private/plan.md").write_text("---\nhidden: x\n---\n#worse\n")
        (daemon.vault / "plain.md").write_text("---\nvragd: false\n---\n#words\n")
        daemon.start()
        assert offered(daemon, "vragd get pl") == ["plan"]
        exclude(daemon.vault, "Private/")
        until(lambda: offered(daemon, "vragd get pl") == [], "what is excluded to be offered no more")
        assert offered(daemon, "vragd query -s ") == ["notes"]
        assert offered(daemon, "vragd query --source=") == ["Vault"]
        assert offered(daemon, "vragd query --tag wo") == ["work"]
        assert offered(daemon, "vragd properties ") == ["status"]
        assert offered(daemon, "vragd query --folder Vault/") == ["Vault/Daily\\ notes/"]
        (name,) = offered(daemon, "vragd get Vault/Daily\\ notes/i")
        assert name == "$'Vault/Daily notes/it\\'s: a $day\\x0aor two.md'"
        assert offered(daemon, "vragd get it") == ["$'it\\'s: a $day\\x0aor two'"]
        done = daemon.run("get", "it's: a $day\nor two")
        assert (done.returncode, "#work" in done.stdout) == (0, True), done.stderr
        assert daemon.run("query", "--folder", "Vault/Daily notes/", "work").returncode == 0
        daemon.stop()
        assert offered(daemon, "vragd get ") == []
        assert "query" in offered(daemon, "vragd ")
