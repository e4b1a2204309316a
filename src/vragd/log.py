"""
Logging: structlog, one event name `area.thing_happened` and fields.

Nothing private at INFO and above: no note text, no queries, no paths (`path_id` names a note without
telling its path), no exception messages from the outside, which quote paths: `error_fields` gives
their type, errno and place instead.
"""

from __future__ import annotations

import errno
import logging
import sys
import threading
import traceback
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


class _Foreign(logging.Handler):
    """Other libraries' warnings. Their text may quote paths or bodies, so it is shown only at DEBUG."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.warning("library.warning_logged", logger_name=record.name, level_name=record.levelname)
        log.debug("library.warning_text", logger_name=record.name, text=record.getMessage())


def _uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().error("daemon.exception_uncaught", **error_fields(error))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def set_up(*, level: str = "info", style: str = "auto", show_paths: bool = False) -> None:
    """Send every log line to standard error: pretty on a terminal, one JSON object a line otherwise."""
    global _show_paths  # noqa: PLW0603
    _show_paths = show_paths
    pretty = style == "pretty" or (style == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not pretty),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
            if pretty
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
