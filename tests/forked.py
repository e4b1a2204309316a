"""
Daemons and commands for tests, forked from a process that has already imported what they import.

An interpreter of its own takes up to a second of processor time to import numpy and its like, on each of hundreds of
starts. What is forked here has a process, environment, working directory, umask and standard streams of its own, no
descriptor of anybody else's, runs `vragd ...`, and ends as an interpreter ends, save that memory is left to the kernel:
to take apart what was imported takes half a second. Linux only, and on request: `tests/conftest.py` asks for it; the
tests of signals, of sockets that are passed and of macOS start interpreters. `VRAGD_TESTS_FORK=0` has every test do so.
"""

from __future__ import annotations

import array
import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

_OURS = frozenset({"VRAGD_CONFIG", "VRAGD_DATA_DIR", "VRAGD_SOCKET"})
_STANDS = (
    *("vragd.daemon.life", "vragd.daemon.local", "vragd.backends.faiss.backend", "vragd.embed.builtin.embedder"),
    *("vragd.cli.doctor.machine", "vragd.cli.doctor.parts", "vragd.stores.trial", "vragd.stores.unattended"),
    *("vragd.cli.why", "vragd.config.types", "vragd.stores.elsewhere", "vragd.stores.overlooked"),
    *("vragd.store.exported", "vragd.notes.readers.markdown", "vragd.vault.inotify", "numpy.ma"),
)
"""What a daemon imports, and commands at their first use; each command's own module besides."""
_AT_THE_START = ("PYTHON", "LC_", "LANG")
"""The beginnings of variables an interpreter looks at when it starts."""
_UNHEARD = ("PYTHONDONTWRITEBYTECODE",)
"""Of those, what is nothing to whoever has imported all."""
_one_order = threading.Lock()


class Forked:
    """
    As much of `subprocess.Popen` as tests use, for any thread. Its parent is the nursery, which tells how it ended.
    """

    def __init__(self, argv: Sequence[str], pid: int, told: int) -> None:
        self._argv, self.pid, self._told, self._lock = argv, pid, told, threading.Lock()
        self.returncode: int | None = None

    def __del__(self) -> None:
        os.close(self._told)

    def poll(self) -> int | None:
        """How it ended, if it has."""
        return self._await(0)

    def wait(self, timeout: float | None = None) -> int:
        """How it ended; raises subprocess.TimeoutExpired."""
        status = self._await(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self._argv, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _await(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            with self._lock:
                if self.returncode is None:
                    said = os.read(self._told, 16)
                    assert said, "the nursery died, and nobody knows how the daemon ended"
                    self.returncode = int(said)
        return self.returncode


def _at_the_start(env: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in env.items() if key.startswith(_AT_THE_START) and key not in _UNHEARD}


_started_with = _at_the_start(os.environ)


def can_fork(env: Mapping[str, str]) -> bool:
    """Not with variables that are read when a module is imported, or other ones that are when an interpreter starts."""
    is_ours = all(key in _OURS for key in env if key.startswith("VRAGD_"))
    return sys.platform == "linux" and is_ours and _at_the_start(env) == _started_with


def fork_daemon(env: Mapping[str, str], stderr: IO[bytes], modules: list[str]) -> Forked:
    """`vragd run`, with `modules` imported beforehand."""
    return _fork(["vragd", "run"], env, Path.cwd(), {2: stderr.fileno()}, modules)


def run_forked(
    args: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """`vragd` with these arguments, as `subprocess.run` with its output captured as text; raises TimeoutExpired."""
    argv = ["vragd", *args]
    (sent, send), (heard, hear), (told, tell) = os.pipe(), os.pipe(), os.pipe()
    with open(send, "wb") as into, open(heard, "rb") as out, open(told, "rb") as err:
        try:
            process = _fork(argv, env, cwd, {0: sent, 1: hear, 2: tell}, [])
        finally:
            for end in (sent, hear, tell):
                os.close(end)
        with ThreadPoolExecutor(3) as streams:
            streams.submit(_say, into, stdin.encode())
            said = [streams.submit(stream.read) for stream in (out, err)]
            try:
                status = process.wait(timeout_s)
            finally:
                process.kill()
            output, errors = (_text(stream.result()) for stream in said)
    return subprocess.CompletedProcess(argv, status, output, errors)


def fork_on_terminal(args: Sequence[str], env: Mapping[str, str], cwd: Path, terminal: int) -> Forked:
    """`vragd` with these arguments in a session of its own, where this descriptor is all of its streams."""
    return _fork(["vragd", *args], env, cwd, dict.fromkeys(range(3), terminal), [], session=True)


def _say(into: IO[bytes], what: bytes) -> None:
    with suppress(BrokenPipeError), into:
        into.write(what)


def _text(data: bytes) -> str:
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def _fork(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, streams: Mapping[int, int], modules: Sequence[str],
    *, session: bool = False,
) -> Forked:  # fmt: skip
    order: dict[str, Any] = {"argv": list(argv), "env": dict(env), "cwd": str(cwd), "session": session}
    with _one_order:
        return _order(_nursery(), order | {"modules": list(modules)}, streams)


def _order(nursery: socket.socket, order: dict[str, Any], streams: Mapping[int, int]) -> Forked:
    told, tell = os.pipe()
    umask = os.umask(0o077)
    os.umask(umask)
    descriptors = array.array("i", [*streams.values(), tell])
    data = json.dumps(order | {"umask": umask, "streams": list(streams)}).encode()
    nursery.sendmsg([len(data).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    nursery.sendall(data)
    os.close(tell)
    return Forked(order["argv"], int.from_bytes(_receive(nursery, 4), "big"), told)


@functools.cache
def _nursery() -> socket.socket:
    """The line to this process's nursery, which ends with it."""
    ours, theirs = socket.socketpair()
    env = {key: value for key, value in os.environ.items() if not key.startswith("VRAGD_")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once is enough
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(theirs.fileno())],
        env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(30)

    atexit.register(end)
    return ours


def _receive(line: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        more = line.recv(n - len(data))
        if not more:
            raise EOFError("the other end of the nursery is gone")
        data += more
    return data


# -- in the nursery -----------------------------------------------------------------------------------------


def _serve(line: socket.socket) -> dict[str, Any] | None:
    """Fork on demand. Returns None at the end of the line, and in each child what it is to be."""
    heard, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    waiting: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([line, heard], [], [])
        if heard in ready:
            os.read(heard, 4096)
        while waiting and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            tell = waiting.pop(ended[0])
            try:
                os.write(tell, str(os.waitstatus_to_exitcode(ended[1])).encode())
            except BrokenPipeError:
                pass  # nobody wants to know any longer
            os.close(tell)
        if line not in ready:
            continue
        head, control, _, _ = line.recvmsg(4, socket.CMSG_SPACE(16))
        if not head:
            return None
        order: dict[str, Any] = json.loads(_receive(line, int.from_bytes(head, "big")))
        *streams, tell = array.array("i", control[0][2])
        _import(order["modules"])
        pid = os.fork()
        if not pid:
            for number, stream in zip(order["streams"], streams, strict=True):
                os.dup2(stream, number)
            return order
        for stream in streams:
            os.close(stream)
        waiting[pid] = tell
        line.sendall(pid.to_bytes(4, "big"))


def _commands() -> list[str]:
    from vragd.cli.commands import MODULES

    return [name if name.startswith("vragd.") else f"vragd.cli.{name}" for name in MODULES.values()]


def _import(modules: list[str]) -> None:
    for module in modules:
        __import__(module)
    gc.freeze()  # a child that looks through all of this for what is garbage copies it first
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, f"{len(threads)} threads: what is forked now may wait for one that is not there"


def _do_what_each_does() -> None:
    """Once here: loads the model, which has no threads of its own, and looks for dozens of packages that read code."""
    from vragd.embed.builtin import embedder
    from vragd.notes.chunk import versions

    for name in ("session", "open_tokenizer"):
        setattr(embedder, name, functools.cache(getattr(embedder, name)))
    embedder.MiniLM(1).close()
    versions()
    _import([])


def _become(order: dict[str, Any]) -> int:
    """In the child: be a process as `exec` would have made it, and the program."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.closerange(3, 65_536)
    if order["session"]:
        os.setsid()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())
    os.environ.clear()
    os.environ.update(order["env"])
    os.umask(order["umask"])
    os.chdir(order["cwd"])
    time.tzset()
    from vragd.cli.main import main

    sys.argv = order["argv"]
    status = main()
    _ended.append(status)
    return status


_ended: list[int] = []
"""The status of a child that has ended by itself."""


def _leave() -> None:
    """The end of a child once its threads and whatever else it has to do at the end are done."""
    if _ended:
        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        except OSError:
            return  # an interpreter has its own status for that
        os._exit(_ended[0])


def _main() -> int:
    atexit.register(_leave)  # the first is the last to be called
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its threads would not survive the fork
    line = socket.socket(fileno=int(sys.argv[1]))
    _import([*_STANDS, *_commands()])
    _do_what_each_does()
    order = _serve(line)
    line.detach()
    return 0 if order is None else _become(order)


if __name__ == "__main__":
    sys.exit(_main())
