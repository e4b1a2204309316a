"""
One tree of errors. Raise the most specific class; only `cli` and `server` turn them into text.

`code` is stable and part of the socket's API. `exit_status` is what a command ends with;
`daemon_status` is what `vragd run` ends with, from sysexits.h, so that a supervisor can tell
"will never work as configured" (78, 65) from "try again" (75).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

AGAIN = "it is tried again by itself"
"""What a hint says of what may pass. Whoever ends with the error says `once_more` instead."""


class VragdError(Exception):
    """What was found, what was expected (`message`), and the way out (`hint`)."""

    code = "failed"
    exit_status = 4  # 1 is that of a question nothing answers, as with grep
    daemon_status = 70
    http_status = 500
    transient = False
    """Whether it may pass by itself, so that trying again is worth while."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def in_one_line(self) -> str:
        """What was found, and the way out if there is one."""
        return "; ".join(part for part in (self.message, self.hint) if part)


class UsageError(VragdError):
    """The words of a command or request are off."""

    code = "usage"
    exit_status = 2
    daemon_status = 64
    http_status = 422


class TooLarge(UsageError):
    """A request is beyond a documented limit of size."""

    code = "too_large"
    http_status = 413


class Mistyped(UsageError):
    """
    A question breaks its grammar. `span` is where in `text`, which is what was typed: half-open, in code points.
    """

    code = "mistyped"

    def __init__(self, message: str, *, text: str = "", span: tuple[int, int] = (0, 0), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.text, self.span = text, span


class ConfigError(VragdError):
    """The configuration file cannot be used as it stands. `line`: the (first) line of it that is at fault."""

    code = "config"
    exit_status = 2
    daemon_status = 78
    http_status = 500

    def __init__(self, message: str, *, hint: str = "", line: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.line = line


class NoDaemon(VragdError):
    """Nothing answers on the socket."""

    code = "no_daemon"
    exit_status = 3
    http_status = 503


class NotRunning(NoDaemon):
    """Nobody listens there: no daemon, whosever."""


class OtherVersion(VragdError, KeyError):
    """What answers is a daemon of another version: its answer lacks what is read of it."""

    code = "other_version"

    def __str__(self) -> str:
        return self.message


class NoManager(VragdError):
    """No service manager can be reached from here."""

    code = "no_manager"


class DaemonBusy(VragdError):
    """Another process holds the data directory."""

    code = "already_running"
    daemon_status = 75


class TooLittleMemory(VragdError):
    """A limit on this process leaves it less memory than it takes to begin."""

    code = "too_little_memory"
    daemon_status = 78


class DataDirError(VragdError):
    """The data directory cannot be created, written or trusted."""

    code = "data_dir"
    daemon_status = 73


class DiskFull(VragdError):
    """No space is left where the catalog or the index lives. Nothing was lost; retry when there is."""

    code = "disk_full"
    http_status = 503
    daemon_status = 74
    transient = True


class CatalogLocked(DataDirError):
    """Another program holds the catalog's lock: a backup, a browser of databases."""

    code = "catalog_locked"
    http_status = 503
    daemon_status = 75
    transient = True


class TooManyOpen(DataDirError):
    """The process, or the machine, may open no further file now."""

    code = "too_many_open"
    http_status = 503
    daemon_status = 75
    transient = True


class NewerFormat(VragdError):
    """A file was written by a newer vragd; it was not touched."""

    code = "newer_format"
    daemon_status = 65


class CatalogCorrupt(VragdError):
    """The catalog fails SQLite's own check."""

    code = "catalog_corrupt"
    daemon_status = 65


class UnknownStore(VragdError):
    """No store has this name."""

    code = "unknown_store"
    exit_status = 2
    http_status = 404


class StoreExists(VragdError):
    """A store of this name is there already."""

    code = "store_exists"
    exit_status = 2
    http_status = 409


class StoreMismatch(VragdError):
    """Vectors do not fit the store: dimension, metric, or a value that is not a finite number."""

    code = "store_mismatch"
    http_status = 409


class UnknownCollection(VragdError):
    """The backend has no collection of this name: it was never made, or somebody else deleted it."""

    code = "unknown_collection"
    http_status = 404


class CollectionMismatch(StoreMismatch):
    """
    The collection is not the one that was meant.

    `what` differs: `dimension`, `metric`, `data type`, `space`, `identity`, `owner`, `name`, or `query` for a question.
    """

    def __init__(self, message: str, *, what: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.what = what


class VectorsRefused(StoreMismatch):
    """
    The backend finds fault with some entries of a batch, whose `keys` these are.

    `part` is what is wrong with them: `key`, `values` or `metadata`. Only metadata may be cut and tried again.
    """

    def __init__(self, message: str, *, keys: tuple[str, ...] = (), part: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.keys, self.part = keys, part


class Unsupported(VragdError):
    """The backend cannot do this at all: `condition` says what. Nobody needs to ask twice."""

    code = "unsupported"
    http_status = 422

    def __init__(self, message: str, *, condition: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.condition = condition


class BackendUnavailable(VragdError):
    """
    The backend cannot be reached now. Safe to retry: puts and deletes are idempotent.

    `retry_after_s`: the backend said for how long it is not worth while.
    """

    code = "backend_unavailable"
    http_status = 503
    transient = True
    retry_after_s: float | None = None

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class BackendFull(BackendUnavailable):
    """The backend has no room for more. It heals when somebody makes room there."""

    code = "backend_full"


class BackendRefused(BackendUnavailable):
    """The backend answers and will not do it: credentials, permission, quota, key. The user must act."""

    code = "backend_refused"
    transient = False


class BackendDamaged(BackendRefused):
    """What the backend keeps is not what was written. Whoever holds the catalog can have it mended."""


class EmbedderUnavailable(VragdError):
    """
    The embedder cannot be reached now. Safe to retry.

    `retry_after_s`: it is there, and busy; it said, or is taken to mean, that it is no use before.
    """

    code = "embedder_unavailable"
    http_status = 503
    transient = True

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class EmbedderRefused(EmbedderUnavailable):
    """The embedder answers and will not do it: a key, a permission, a quota. The user must act."""

    code = "embedder_refused"
    transient = False


class EmbedderLimit(EmbedderRefused):
    """The embedder is sent no more this month: its own settings have a limit. It passes when the month turns."""

    code = "embedder_limit"


class EmbedderChanged(EmbedderUnavailable):
    """The embedder makes vectors of another shape than its space: the model was replaced under its name."""

    code = "embedder_space_mismatch"


class EmbedderRejected(VragdError):
    """The embedder answered, and will not embed this input: one of the texts is poison."""

    code = "embedder_rejected"
    http_status = 502


class NotFound(VragdError):
    """No such path on the socket, or no such thing."""

    code = "not_found"
    http_status = 404


class Overloaded(VragdError):
    """A bound is reached; the same request may work in a moment."""

    code = "overloaded"
    http_status = 503
    transient = True


class StillLooking(VragdError):
    """It is not known yet what was withheld from assistants while nobody looked; people are answered."""

    code = "still_looking"
    http_status = 503
    transient = True


class RequestTimeout(VragdError):
    """The client is too slow."""

    code = "request_timeout"
    http_status = 408


class Forbidden(VragdError):
    """A browser sends this; a browser has no business here."""

    code = "forbidden"
    http_status = 403


class HeadTooLarge(VragdError):
    """The request's head is beyond the limit."""

    code = "head_too_large"
    http_status = 431


class MethodNotAllowed(VragdError):
    """The path is there, for other methods: those `allowed`."""

    code = "method_not_allowed"
    http_status = 405

    def __init__(self, message: str, *, hint: str = "", allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint or f"allowed: {', '.join(allowed)}")
        self.allowed = allowed


def once_more(error: VragdError) -> None:
    """Have an error that ends a command promise nothing that nobody does."""
    error.hint = error.hint.replace(AGAIN, "then give the command again")


def nearest(name: str, names: Iterable[str], at_least: float = 0.6) -> str:
    """That of `names` which is spelled most like `name`; "" if none is so like it, of 1."""
    import difflib

    folded = {one.casefold(): one for one in names}
    found = difflib.get_close_matches(name.casefold(), list(folded), 1, at_least)
    return folded[found[0]] if found else ""


def one_of(name: str, names: Sequence[str], none: str) -> str:
    """A hint for who asked for `name`, where there are these `names`; `none` where there is no name at all."""
    listed = f"one of: {', '.join(names)}" if names else none
    return f"did you mean {near!r}? {listed}" if (near := nearest(name, names)) and len(names) > 1 else listed
