"""Each kind of lost trust, made to happen on a real inotify instance."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vragd.vault.watch import Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify")

DEADLINE_S = 20.0

# Watches argv[1]; tells what happens a line at a time; runs each line it is sent.
CHILD = """
import subprocess, sys
from pathlib import Path
from vragd.vault.watch import Watcher

def tell(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

root = Path(sys.argv[1])
watcher = Watcher(
    root,
    lambda path, is_folder: tell("hint", path, is_folder),
    lambda kind, error: tell("trouble", kind, error.errno if error else None),
)
for line in sys.stdin:
    try:
        exec(line)
    except OSError as error:
        tell("failed", error.errno)
tell("end")
"""


class Child:
    """A watching process, possibly in a name space of its own."""

    def __init__(self, root: Path, *prefix: str) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", CHILD, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("closed")

    def run(self, code: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(code + "\n")
        self.process.stdin.flush()

    def until(self, wanted: str, timeout_s: float = DEADLINE_S) -> list[str]:
        """The lines up to the first that begins with `wanted`."""
        seen: list[str] = []
        end = time.monotonic() + timeout_s
        while not (seen and seen[-1].startswith(wanted)):
            assert not (seen and seen[-1] == "closed"), seen[-20:]
            try:
                seen.append(self._lines.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"no {wanted!r} after {seen[-20:]}") from None
        return seen

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    made: list[Child] = []

    def make(root: Path, *prefix: str) -> Child:
        made.append(Child(root, *prefix))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _name_space(*flags: str) -> list[str]:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here")
    if subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"unshare {' '.join(flags)} is forbidden here")
    return ["unshare", *flags]


def _few_watches(count: int) -> list[str]:
    script = f'echo {count} > /proc/sys/user/max_inotify_watches || exit 9; exec "$@"'
    prefix = [*_name_space("-Ur"), "sh", "-c", script, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("the limit of watches cannot be lowered here")
    return prefix


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.005)


class Seen:
    """A watcher's reports, kept."""

    def __init__(self, root: Path) -> None:
        self.hints: list[tuple[str, bool]] = []
        self.troubles: list[tuple[str, OSError | None]] = []
        self.watcher = Watcher(
            root,
            lambda path, is_folder: self.hints.append((path, is_folder)),
            lambda kind, error: self.troubles.append((kind, error)),
        )

    @property
    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.troubles}


@pytest.fixture
def watch() -> Iterator[Callable[[Path], Seen]]:
    made: list[Seen] = []

    def start(root: Path) -> Seen:
        made.append(Seen(root))
        made[-1].watcher.start()
        return made[-1]

    yield start
    for seen in made:
        seen.watcher.stop()
        until(lambda seen=seen: not seen.watcher.healthy())


@pytest.mark.slow
def test_an_overflow_is_reported_and_later_changes_are_seen(tmp_path: Path, child: Callable[..., Child]) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"filling a queue of {limit} events takes too long")
    (tmp_path / "a").write_text("x")
    watching = child(tmp_path)
    watching.run("watcher.start(); tell('ready')")
    watching.until("ready")
    os.kill(watching.process.pid, signal.SIGSTOP)
    try:
        for _ in range(limit // 4 + 1_000):  # a move and one back are four events
            (tmp_path / "a").rename(tmp_path / "b")
            (tmp_path / "b").rename(tmp_path / "a")
        (tmp_path / "made-meanwhile").mkdir()
    finally:
        os.kill(watching.process.pid, signal.SIGCONT)
    watching.until("trouble overflow", 90)  # as many events come first as the queue holds
    (tmp_path / "made-meanwhile" / "n.md").write_text("x")
    watching.until("hint made-meanwhile/n.md")
    watching.run("tell('healthy', watcher.healthy())")
    assert watching.until("healthy")[-1] == "healthy True"


@pytest.mark.slow
def test_a_watch_limit_below_the_root_is_reported_and_the_rest_is_watched(
    tmp_path: Path, child: Callable[..., Child]
) -> None:
    tmp_path.chmod(0o777)
    for i in range(50):
        (tmp_path / f"dir{i}").mkdir()
    watching = child(tmp_path, *_few_watches(20))
    watching.run("watcher.start(); tell('ready')")
    lines = watching.until("ready")
    assert lines[:-1] == ["trouble watch_failed 28"] * 31  # ENOSPC; 50 folders and the root, less 20
    (tmp_path / "n.md").write_text("x")
    watching.until("hint n.md")


@pytest.mark.slow
def test_a_watch_limit_met_later_is_reported(tmp_path: Path, child: Callable[..., Child]) -> None:
    watching = child(tmp_path, *_few_watches(5))
    watching.run("watcher.start(); tell('ready')")
    assert watching.until("ready") == ["ready"]
    (tmp_path / "a" / "b" / "c" / "d" / "e" / "f").mkdir(parents=True)
    watching.until("trouble watch_failed 28")


@pytest.mark.slow
def test_a_watch_limit_at_the_root_fails_the_start(tmp_path: Path, child: Callable[..., Child]) -> None:
    watching = child(tmp_path, *_few_watches(0))
    watching.run("watcher.start(); tell('ready')")
    assert watching.until("failed 28") == ["trouble watch_failed 28", "failed 28"]


@pytest.mark.slow
def test_a_folder_that_may_not_be_watched_is_reported(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else in a child")
    # the child leaves root behind after it has found its modules and the folder
    (tmp_path / "closed1").mkdir(mode=0o700)
    (tmp_path / "closed2").mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "import vragd.vault.inotify\n"
        "from vragd.vault.watch import Watcher\n"
        "os.chdir(sys.argv[1]); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "watcher = Watcher(Path('.'), print, lambda kind, error: print(kind, error.errno, flush=True))\n"
        "watcher.start()\n"
        "print(sorted(watcher.unwatched.items()))\n"
        "watcher.stop()\n"
        "watcher.join(20)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == [*["watch_failed 13"] * 2, "[('closed1', 'eacces'), ('closed2', 'eacces')]"]
    assert not done.stderr


@pytest.mark.slow
def test_an_unmount_is_reported(tmp_path: Path, child: Callable[..., Child]) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    watching = child(mounted, *_name_space("-Urm"))
    watching.run("subprocess.run(['mount', '-t', 'tmpfs', 'none', str(root)], check=True); tell('mounted')")
    watching.until("mounted")
    watching.run("(root / 'dir').mkdir(); watcher.start(); tell('ready')")
    assert watching.until("ready") == ["ready"]
    watching.run("subprocess.run(['umount', str(root)], check=True)")
    watching.until("trouble unmount")


@pytest.mark.slow
def test_a_folder_mounted_again_in_its_vault_is_seen_by_both_names(tmp_path: Path, child: Callable[..., Child]) -> None:
    (tmp_path / "one" / "old").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    watching = child(tmp_path, *_name_space("-Urm"))
    watching.run("subprocess.run(['mount', '--bind', root / 'one', root / 'two'], check=True); watcher.start()")

    def told(code: str, *wanted: str) -> set[str]:
        watching.run(code)
        lines: set[str] = set()
        while not {f"hint {at}/{name}" for at in ("one", "two") for name in wanted} <= lines:
            lines.update(watching.until("hint"))
        return lines

    for at in ("one", "two"):
        told(f"(root / {at!r} / 'by_{at}.md').touch()", f"by_{at}.md False")
        told(f"(root / {at!r} / 'by_{at}.md').unlink()", f"by_{at}.md False")
    told("(root / 'two/old').rename(root / 'two/new')", "old True", "new True")
    assert not [line for line in told("(root / 'one/new/n.md').touch()", "new/n.md False") if "/old" in line]


def test_a_renamed_root_is_reported(tmp_path: Path, watch: Callable[[Path], Seen]) -> None:
    (tmp_path / "vault").mkdir()
    seen = watch(tmp_path / "vault")
    (tmp_path / "vault").rename(tmp_path / "moved")
    until(lambda: "root_gone" in seen.kinds)


def test_a_removed_root_is_reported_and_the_watcher_not_healthy(tmp_path: Path, watch: Callable[[Path], Seen]) -> None:
    (tmp_path / "vault" / "dir").mkdir(parents=True)
    seen = watch(tmp_path / "vault")
    assert seen.watcher.healthy()
    shutil.rmtree(tmp_path / "vault")
    until(lambda: "root_gone" in seen.kinds)
    until(lambda: not seen.watcher.healthy())


def test_folders_that_move_or_go_are_no_trouble(tmp_path: Path, watch: Callable[[Path], Seen]) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    seen = watch(tmp_path)
    (tmp_path / "a").rename(tmp_path / "c")
    shutil.rmtree(tmp_path / "c")
    (tmp_path / "n.md").write_text("x")
    until(lambda: ("n.md", False) in seen.hints)
    assert not seen.troubles
    assert seen.watcher.healthy()


def test_a_missing_root_fails_the_start_and_leaves_no_inotify_instance(tmp_path: Path) -> None:
    def open_instances() -> int:
        links = (os.path.realpath(entry.path) for entry in os.scandir("/proc/self/fd"))
        return sum("inotify" in link for link in links)

    before = open_instances()
    for _ in range(5):  # a source that is away is tried again and again
        with pytest.raises(FileNotFoundError):
            Watcher(tmp_path / "away", lambda path, is_folder: None, lambda kind, error: None).start()
    until(lambda: open_instances() == before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("dies_of", ["hint", "trouble"])
def test_a_dead_thread_is_not_healthy(tmp_path: Path, dies_of: str) -> None:
    def die(*_: object) -> None:
        raise ValueError("whoever is told raises")

    (tmp_path / "vault").mkdir()
    quiet: Callable[..., None] = lambda *_: None  # noqa: E731
    watcher = Watcher(tmp_path / "vault", die if dies_of == "hint" else quiet, die if dies_of == "trouble" else quiet)
    assert not watcher.healthy()
    watcher.start()
    assert watcher.healthy()
    (tmp_path / "vault" / "n.md").write_text("x")
    (tmp_path / "vault").rename(tmp_path / "moved")
    until(lambda: not watcher.healthy())
    watcher.stop()


def test_folders_made_in_a_storm_raise_no_warning_that_would_quote_paths(
    tmp_path: Path, watch: Callable[[Path], Seen]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen = watch(tmp_path)
        for i in range(200):
            (tmp_path / f"t{i}" / "b" / "c" / "d").mkdir(parents=True)
        (tmp_path / "t199" / "b" / "c" / "d" / "last.md").write_text("x")
        until(lambda: ("t199", True) in seen.hints)

        def later_is_seen() -> bool:  # the folders below are watched a moment after that of the hint
            (tmp_path / "t199" / "b" / "c" / "d" / "later.md").write_text("x")
            return ("t199/b/c/d/later.md", False) in seen.hints

        until(later_is_seen)
    assert [str(one.message)[:60] for one in caught] == []
    assert seen.watcher.healthy()
