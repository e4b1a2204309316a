"""`vragd stop`, `reload`, `restart` and `run --detach`: of the daemon that answers, whoever started it."""

from __future__ import annotations

import argparse
import os
import select
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.commands import spelt
from vragd.cli.connect import client, data_dir_of, load
from vragd.cli.reasons import on_sending
from vragd.cli.render import complain, out, say, within
from vragd.cli.sending import say_at_start
from vragd.errors import ConfigError, DaemonBusy, NoDaemon, NotRunning, OtherVersion, VragdError
from vragd.system.places import default_data_dir, xdg

if TYPE_CHECKING:
    from vragd.cli.service.managers import Manager

START_S, STOP_S, RELOAD_S = 60.0, 30.0, 30.0
Status = dict[str, Any]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("stop", parents=[common], help="stop the daemon, however it was started")
    sub.set_defaults(command=_stop)
    sub = commands.add_parser("reload", parents=[common], help="have the daemon load the configuration again")
    sub.set_defaults(command=_reload)
    sub = commands.add_parser("restart", parents=[common], help="stop the daemon and start it again, in the background")
    sub.set_defaults(command=_restart)


def status_of(args: argparse.Namespace) -> Status | None:
    """What the daemon says; None where none answers."""
    try:
        return running(args)
    except NoDaemon:
        return None


def running(args: argparse.Namespace) -> Status | None:
    """What the daemon says; None where none runs. Raises NoDaemon for one that does not answer, or not to us."""
    from vragd.system.lock import holder

    try:
        found: Status = client(args).request("GET", "/v1/status")  # as older daemons know it, too
    except NotRunning:
        return None
    except NoDaemon as error:
        held = holder(data_dir_of(args))
        if held is None or held.uid != os.geteuid() or not held.pid.isdecimal():
            raise
        raise NoDaemon(error.message, hint=f"kill -9 {held.pid} ends it, and loses nothing") from error
    return found


def _stop(args: argparse.Namespace) -> int:
    from vragd.cli.service.managers import manager
    from vragd.cli.steps import perform

    chosen = manager()
    if chosen.waits_for_a_client:
        perform(chosen.stop(), only_print=False)
        return 0
    status = running(args)
    if status is None:
        say("no vragd runs")
        return 0
    end(chosen, status)
    return 0


def end(chosen: Manager, status: Status, *, quiet: bool = False) -> None:
    """Have its process end, and wait for that; say so, unless `quiet`. Raises VragdError where it does not."""
    from vragd.cli.steps import perform

    if chosen.main_pid == status["pid"]:
        perform(chosen.stop(), only_print=False)  # or the manager starts it again
        return
    pid, lock = status["pid"], Path(status["data_dir"]) / "lock"
    with _watched(pid) as has_ended:
        _signal(pid, signal.SIGTERM)
        # Who lets go of the lock is not gone: it has a log and threads until it ends.
        _until(
            lambda: is_free(lock) and has_ended(), STOP_S, f"vragd (pid {pid}) to end", f"kill -9 {pid} loses nothing"
        )
    if not quiet:
        out(f"stopped vragd (pid {pid})")


@contextmanager
def _watched(pid: int) -> Iterator[Callable[[], bool]]:
    """Whether that very process has ended, whoever has its number by then."""
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):  # macOS has none; or it has ended already
        yield lambda: not _is_there(pid)
        return
    try:
        yield lambda: bool(select.select([fd], [], [], 0)[0])
    finally:
        os.close(fd)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def _reload(args: argparse.Namespace) -> int:
    status = running(args)
    if status is None:
        raise NotRunning("no vragd runs", hint="vragd run")
    _say_what_leaves(status)
    now = reload(args, status)
    out(f"{status['config']}: taken up")
    _say_what_stays(status)
    return say_failed(now)


def _say_what_leaves(status: Status) -> None:
    """What other models than now will send to another machine, before the daemon knows of them."""
    from vragd.config.load import parse, read
    from vragd.config.showing import shown
    from vragd.stores import trial

    try:
        stores = parse(read(Path(status["config"])), status["config"]).stores
    except (VragdError, TypeError):  # a file that is none, or not there: whoever loads it says so
        return
    now = {store["name"]: store["embedder"] for store in status["stores"]}
    failed = {store["name"] for store in status["failed"]}  # of those it is not told what embeds them
    for name, store in stores.items():
        if name in failed:
            continue
        of_vectors = store.embedder.of_vectors
        wanted = of_vectors(shown(store.embedder.model_dump(mode="json")))
        if wanted != of_vectors(now.get(name, {})) and (sending := trial.sent(store)):
            say(within(f"store {name}: {on_sending(sending)}"))


def _say_what_stays(status: Status) -> None:
    """Where the file wants other places than the daemon has, which go on being used: what is there is not moved."""
    from vragd.config.load import parse, read

    try:
        paths = parse(read(Path(status["config"])), status["config"]).paths
    except (VragdError, TypeError):
        return
    for key, said, now in (("data", paths.data, status["data_dir"]), ("socket", paths.socket, status["socket"])):
        if said is not None and os.path.realpath(said) != os.path.realpath(now):
            say(within(f"paths.{key} is {said} there, and the daemon goes on with {now}:"))
            moved = f" move {now} to {said}," if key == "data" else ""
            say(within(f"  vragd stop,{moved} vragd run --detach, has it changed"))


def say_failed(status: Status) -> int:
    """Say which stores cannot be opened, on standard error; the exit status that is then."""
    for failed in status["failed"]:
        complain(VragdError(f"store {failed['name']} cannot be opened: {failed['message']}", hint=failed["hint"]))
    return VragdError.exit_status if status["failed"] else 0


def reload(args: argparse.Namespace, status: Status) -> Status:
    """
    Have the daemon of this `status` load its configuration again; its status then. Raises ConfigError where it refused.
    """
    before = status["reloads"]["n"]
    _signal(status["pid"], signal.SIGHUP)
    now: Status = status

    def answered() -> bool:
        nonlocal now
        now = status_of(args) or now
        return bool(now["reloads"]["n"] > before)

    _until(answered, RELOAD_S, "the daemon to load its configuration", "its log says what it does: vragd logs")
    if refused := now["reloads"]["refused"]:
        raise ConfigError(f"the daemon goes on as before: {refused['message']}", hint=refused["hint"])
    return now


def _restart(args: argparse.Namespace) -> int:
    from vragd.cli.service.managers import manager
    from vragd.cli.steps import perform

    chosen, status = manager(), running(args)
    if status is not None and chosen.main_pid == status["pid"]:
        with suppress(OtherVersion):  # a restart is the way out for a daemon of before
            _say_what_leaves(status)
        perform(chosen.restart(), only_print=False)
        return 0
    if status is not None:
        args.config = args.config or status["config"]
        args.data_dir, args.socket = args.data_dir or status["data_dir"], args.socket or status["socket"]
        say_at_start(load(args))  # what cannot be started again is not stopped
        end(chosen, status)
        _say_what_stays(status)
    return detach(args, said=status is not None)


def detach(args: argparse.Namespace, *, said: bool = False) -> int:
    """
    Start a daemon that outlives this terminal, and wait until it answers; before that, unless it is `said`, say what
    it sends elsewhere. Raises VragdError with what it says.
    """
    import subprocess
    import tempfile

    from vragd.cli.service.command import program

    if (status := status_of(args)) is not None:
        raise DaemonBusy(
            f"a vragd runs already (pid {status['pid']})", hint="vragd restart begins it anew, vragd stop ends it"
        )
    loaded = load(args)
    if not said:
        say_at_start(loaded)
    file = loaded.config.log.file or default_log(loaded.data_dir)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = ["--config", str(loaded.file)] if loaded.file else []
    words += ["--data-dir", str(loaded.data_dir), "--socket", str(loaded.socket)]
    words += ["--log-level", args.log_level] if args.log_level else []
    words += ["--metrics", args.metrics] if getattr(args, "metrics", None) else []
    args.socket = str(loaded.socket)
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(  # noqa: S603  ourselves
            [*program(), "run", *words, "--log-file", str(file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=told, start_new_session=True, cwd="/",
        )  # fmt: skip

        def stands() -> bool:
            if process.poll() is not None:
                told.seek(0)
                raise ended(told.read().decode("utf-8", "replace"), process.returncode, file)
            return (status_of(args) or {}).get("pid") == process.pid

        _until(stands, START_S, "the daemon to answer", f"see {file}")
    process.returncode = 0  # it goes on without us
    out(f"vragd runs (pid {process.pid}), its log is {file}")
    ways = "vragd sync --wait returns when all is searchable, vragd status says how far it is, vragd stop ends it"
    out(spelt(ways))
    return 0


def ended(said: str, status: int, log: Path) -> VragdError:
    """What a daemon that did not start has `said` on standard error, as an error that ends with its status."""
    message, _, hint = said.strip().removeprefix("Error: ").rpartition("\nTry: ")
    error = VragdError(message or hint or f"vragd run ended with {status}", hint=hint if message else f"see {log}")
    error.daemon_status = status if status > 0 else VragdError.daemon_status
    return error


def default_log(data: Path) -> Path:
    """
    Where a daemon with this data directory logs that has neither a service manager nor `log.file`: of two daemons, of
    which only one has the usual directory, each has its own.
    """
    usual = data == default_data_dir()
    name = "vragd.log" if usual else f"vragd-{zlib.crc32(os.fsencode(data)):08x}.log"
    return xdg("XDG_STATE_HOME", "~/.local/state") / "vragd" / name


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except OSError as error:
        raise VragdError(
            f"cannot tell vragd (pid {pid}) {number.name}: {error.strerror}", hint="ask as its user"
        ) from None


def is_free(lock: Path) -> bool:
    """Whether nobody holds the data directory: the kernel lets go of it when its holder dies, and not before."""
    import fcntl

    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _until(condition: Callable[[], bool], timeout_s: float, what: str, hint: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise VragdError(f"waited {timeout_s:.0f} s in vain for {what}", hint=hint)
        time.sleep(0.05)
