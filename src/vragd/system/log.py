"""
Logging: structlog, one event name `area.thing_happened` and fields.

Nothing private at INFO and above: no note text, no queries, no paths (`path_id` names a note without
telling its path), no exception messages from the outside, which quote paths: `error_fields` gives
their type, errno and place instead.

A line that cannot be written is dropped: no log is worth the daemon.
"""

from __future__ import annotations

import errno
import io
import linecache
import logging
import os
import re
import select
import stat
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
import xxhash

from vragd.errors import VragdError

_show_paths = False


def path_id(source: str, path: str) -> str:
    """`source:` and ten hexadecimal digits that stand for `path`; the path itself if `log.paths` is set."""
    name = path if _show_paths else xxhash.xxh64_hexdigest(path.encode("utf-8", "surrogateescape"))[:10]
    return f"{source}:{name}"


def error_fields(error: BaseException) -> dict[str, Any]:
    """What may be logged about an exception: its type, code or errno, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-4:]]
    fields: dict[str, Any] = {"error": type(error).__name__, "where": where}
    if isinstance(error, VragdError):
        fields["code"] = error.code
    elif isinstance(error, OSError) and error.errno is not None:
        fields["errno"] = errno.errorcode.get(error.errno, str(error.errno))
    return fields


LEAST_TEXT, MOST_TEXT = 8, 200
_PLACE = re.compile(r"^.*?:[0-9]+: (\w+): ")  # file:line: Category: text


def safe_text(record: logging.LogRecord) -> str:
    """
    Of what another library logged as much as is surely its own words: what stands in its source.

    That is a message that was to be filled in, without what it was filled with; of one that came ready as much as is
    found at the place it came from; of a warning of Python's its kind.
    """
    text = str(record.msg)
    if record.name == "py.warnings":
        found = _PLACE.match(record.getMessage())
        return found[1] if found else ""
    if not record.args:
        source = "".join(linecache.getline(record.pathname, record.lineno + i) for i in range(-4, 5))
        own = next((n for n in range(len(text), LEAST_TEXT, -1) if text[:n] in source), 0)
        text = text if own == len(text) else f"{text[:own]}..."
    return text[:MOST_TEXT]


class _Foreign(logging.Handler):
    """Other libraries' warnings. Their text may quote paths or bodies, so all of it is shown only at DEBUG."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.warning(
            "library.warning_logged", logger_name=record.name, level_name=record.levelname, text=safe_text(record)
        )
        log.debug("library.warning_text", logger_name=record.name, text=record.getMessage())


def _uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().error("daemon.exception_uncaught", **error_fields(error))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


CLOGGED_S = 0.25


def _write(fd: int, data: bytes) -> int:
    """Write what there is room for; how many bytes. Raises BlockingIOError where that is none."""
    try:
        # one of our own that waits for nothing: a terminal has room for a part, and a write there waits for the rest
        own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:  # no terminal, or one that is not seen from here
        return os.write(fd, data)
    try:
        return os.write(own, data)
    finally:
        os.close(own)


class _Stderr:
    """
    Standard error, unbuffered: what cannot be written is gone, and does not spoil the exit status either.

    So it is where it may be a pipe that nobody reads, or a terminal that was stopped: a line waits for that a moment,
    and those after it do not until there is room again.
    """

    def __init__(self) -> None:
        self._clogged = False
        try:
            self._fd: int | None = sys.stderr.fileno()
        except (AttributeError, OSError, ValueError):  # none at all, or a stand-in without a descriptor
            self._fd = None

    def write(self, text: str) -> None:
        try:
            if self._fd is None:
                sys.stderr.write(text)
                return
            rest = text.encode("utf-8", "backslashreplace")
            while rest and self._has_room(self._fd):
                rest = rest[_write(self._fd, rest[: select.PIPE_BUF]) :]  # there may be no room for more
        except (AttributeError, OSError, ValueError):
            return

    def _has_room(self, fd: int) -> bool:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        self._clogged = not poll.poll(0 if self._clogged else CLOGGED_S * 1000)
        return not self._clogged

    def flush(self) -> None:
        """Nothing is held back."""


class _File(RotatingFileHandler):
    """
    A file of at most `max_bytes` and `keep` older ones beside it (`.1` is the youngest), all with mode 0600.

    Raises OSError when it is made and cannot be written; later on it drops what it cannot write.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path, maxBytes=max_bytes, backupCount=keep)
        self.terminator = ""

    def _open(self) -> io.TextIOWrapper:
        # not blocking: opening a pipe without a reader would wait for one
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(self.baseFilename, flags, 0o600)
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            if info.st_mode & 0o077:
                os.fchmod(fd, 0o600)
            return open(fd, "a", encoding="utf-8", errors="backslashreplace")
        except BaseException:
            os.close(fd)
            raise

    def write(self, text: str) -> None:
        self.handle(logging.LogRecord("", logging.INFO, "", 0, text, None, None))

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk, a folder that is gone: close what may hold half a line, try again with the next one."""
        stream, self.stream = self.stream, None
        try:
            if stream is not None:
                stream.close()
        except (OSError, ValueError):
            return


_file: _File | None = None


def _sink(path: Path | None, max_bytes: int, keep: int) -> _File | _Stderr:
    """Where lines go: the file, opened anew in case somebody moved it away, or standard error where that fails."""
    global _file  # noqa: PLW0603
    if _file is not None:
        _file.close()
        _file = None
    if path is not None:
        try:
            _file = _File(path, max_bytes, keep)
        except OSError:
            return _Stderr()
    return _file or _Stderr()


def set_up(
    *,
    level: str = "info",
    style: str = "auto",
    show_paths: bool = False,
    file: Path | None = None,
    max_bytes: int = 10 * 1024 * 1024,
    keep: int = 3,
) -> None:
    """
    Send every log line to standard error, or to `file`: pretty on a terminal, one JSON object a line otherwise.

    May be called again. A file that cannot be used leaves standard error, and a line that says so.
    """
    global _show_paths  # noqa: PLW0603
    _show_paths = show_paths
    sink = _sink(file, max_bytes, keep)
    on_terminal = isinstance(sink, _Stderr) and sys.stderr is not None and sys.stderr.isatty()
    pretty = style == "pretty" or (style == "auto" and on_terminal)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not pretty),
            structlog.dev.ConsoleRenderer(colors=on_terminal) if pretty else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sink),  # type: ignore[arg-type] # it writes and flushes, no more
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    if file is not None and isinstance(sink, _Stderr):
        structlog.get_logger().warning("log.file_unusable")
