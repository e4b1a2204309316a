"""
What reads which file of a store: Markdown here, code and documents in a process of their own.

A file that takes long holds nobody up: a round waits for half a second at most, and goes on with others.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field, replace

from vragd.notes import documents, languages
from vragd.notes.chunk import read_note, split_name, version_of, versions
from vragd.notes.documents import Extracted
from vragd.notes.model import Note, NotIndexable
from vragd.notes.outline import Stretch
from vragd.system.child import Child, ChildEnded
from vragd.vault.read import Content

WORKER = "vragd.sync.worker"
CODE_TIMEOUT_S, CODE_MIB = 10.0, 1_024
MAX_ANSWER = 128 << 20
UNREAD = "unread "
"""How the version of a reader begins that never opens its files."""
READ = tuple(sorted({*languages.GRAMMARS, *documents.LIBRARIES}))
"""Suffixes of what needs more than is always installed."""
_KEPT = 2  # results nobody came for yet


@dataclass(frozen=True, slots=True)
class Documents:
    """Whether documents are read, each within these bounds."""

    read: bool = False
    timeout_s: float = 60.0
    memory_mib: int = 1_024


Key = tuple[int, str]
"""A source's id, and a path in it."""


@dataclass(slots=True)
class _Job:
    key: Key
    digest: bytes
    child: Child
    done: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b""
    ended: str = ""
    error: OSError | None = None


class Readers:
    """Of one store. For its writer lane; `close` from any thread."""

    def __init__(self, settings: Documents) -> None:
        self._settings = settings
        self._code = Child(WORKER, str(CODE_MIB), "0")
        self._running: _Job | None = None
        self._finished: dict[Key, _Job] = {}
        self._until = 0.0  # monotonic
        self.n_begun = 0
        """How many files were given to a process so far."""

    def close(self) -> None:
        """End what reads now. Nothing is recorded of it."""
        if (running := self._running) is not None:
            running.child.close()
        self._code.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes there are."""
        children = (self._code, self._running.child if self._running else None)
        return tuple(pid for child in children if child is not None and (pid := child.pid) is not None)

    # -- which --------------------------------------------------------------------------------------

    @property
    def versions(self) -> tuple[str, ...]:
        """Of all readers as they are now: what was read by none of these is to be looked at again."""
        current = {*versions(), *(self._document_version(suffix) for suffix in documents.LIBRARIES)}
        if self._settings.read:
            current.add(self._within_bounds)
        else:
            current.discard(version_of(".pdf"))
        return tuple(sorted(current))

    def version(self, path: str) -> str:
        """Of what reads the file at `path`."""
        suffix = split_name(path)[1]
        return self._document_version(suffix) if suffix in documents.LIBRARIES else version_of(suffix)

    def reads(self, path: str, version: str) -> bool:
        """Whether the file at `path` would be read by a reader of this version, and as far as it was then."""
        return version == self.version(path) or (
            version == self._within_bounds and split_name(path)[1] in documents.LIBRARIES
        )

    def unread(self, path: str) -> str | None:
        """Why the file at `path` is not even opened; None if it is."""
        suffix = split_name(path)[1]
        if suffix not in documents.LIBRARIES:
            return None
        if not self._settings.read:
            return "documents.read is false in the configuration"
        if documents.missing_library(suffix):
            return f"needs pip install 'vragd[{documents.EXTRA}]'"
        return None

    def is_document(self, path: str) -> bool:
        """Whether the file at `path` is one of those that `documents.read` is about."""
        return _is_document(path)

    def lacks(self, path: str) -> str | None:
        """What would have the file at `path` read better than it is."""
        if languages.missing_grammar(split_name(path)[1]):
            return f"not read along its structure without pip install 'vragd[{languages.EXTRA}]'"
        return None

    def _document_version(self, suffix: str) -> str:
        if not self._settings.read:
            return f"{UNREAD}documents off"
        if missing := documents.missing_library(suffix):
            return f"{UNREAD}documents without {missing}"
        return version_of(suffix)

    @property
    def _within_bounds(self) -> str:
        """The version that is kept of a document which these bounds keep from being read."""
        settings = self._settings
        return f"{version_of('.pdf')} in {settings.timeout_s:g} s and {settings.memory_mib} MiB"

    # -- reading ------------------------------------------------------------------------------------

    def begin(self, round_s: float) -> None:
        """A round begins, which may wait for so long altogether."""
        self._until = time.monotonic() + round_s

    def is_busy(self, key: Key) -> bool:
        """Whether another file is being read, so that this one cannot be. Waits for that, as long as the round may."""
        running = self._running
        if running is None or running.key == key or not _has_process(key[1]):
            return False
        if not running.done.wait(self._left_s()):
            return True
        self._running = None
        self._finished[running.key] = running
        while len(self._finished) > _KEPT:
            del self._finished[next(iter(self._finished))]
        return False

    def read(self, key: Key, content: Content) -> Note | None:
        """
        The note in a file; None if that takes longer than the round may wait: the same call may be made again.

        Raises NotIndexable, and OSError where no process can be had now.
        """
        stem, suffix = split_name(key[1])
        stem = stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if not _has_process(key[1]):
            return read_note(content.data, stem, suffix)
        job = self._finished.pop(key, None)
        if job is None or job.digest != content.digest:
            job = self._join(key, suffix, content)
        if job is None or job.ended == "closed":
            return None
        if job.error is not None:
            raise job.error
        is_document = suffix in documents.LIBRARIES
        if job.ended:
            if is_document:
                raise NotIndexable(self._why(job.ended))
            note = read_note(content.data, stem, suffix)
            return replace(note, remarks=(*note.remarks, f"not along its structure: {job.ended}"))
        answer = json.loads(job.answer)
        if reason := answer.get("refused"):
            if is_document:
                raise NotIndexable(self._why(reason))
            answer = {"found": None}
        return read_note(content.data, stem, suffix, found=_unpacked(answer["found"], is_document))

    def version_of_refusal(self, path: str, reason: str) -> str:
        """Of what did not read the file at `path` for this reason: other bounds may let it."""
        is_bound = reason.partition(":")[0] in ("too_slow", "too_much_memory", "crashed")
        return self._within_bounds if is_bound and _is_document(path) else self.version(path)

    def _join(self, key: Key, suffix: str, content: Content) -> _Job | None:
        """What reads this file, if it is ready in time."""
        running = self._running
        if running is not None and running.key == key and running.digest != content.digest:
            if running.child is not self._code:
                running.child.close()
            if not running.done.wait(self._left_s()):
                return None
            running = None
        if running is None:
            running = self._running = self._start(key, suffix, content)
        if running.key != key or not running.done.wait(self._left_s()):
            return None
        self._running = None
        return running

    def _start(self, key: Key, suffix: str, content: Content) -> _Job:
        settings, question = self._settings, suffix.encode() + b"\n" + content.data
        if suffix in documents.LIBRARIES:
            limit_s = settings.timeout_s
            child = Child(WORKER, str(settings.memory_mib), str(int(limit_s)))
        else:
            limit_s, child = CODE_TIMEOUT_S, self._code
        job = _Job(key, content.digest, child)

        def work() -> None:
            try:
                job.answer = child.ask(question, limit_s, MAX_ANSWER)
            except ChildEnded as error:
                job.ended = error.reason
            except OSError as error:
                job.error = error
            finally:
                if child is not self._code:
                    child.close()
                job.done.set()

        self.n_begun += 1
        threading.Thread(target=work, name="reader", daemon=True).start()
        return job

    def _left_s(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def _why(self, reason: str) -> str:
        settings = self._settings
        if reason == "too_slow":
            return f"too_slow: more than {settings.timeout_s:g} s (documents.timeout_s)"
        if reason == "too_much_memory":
            return f"too_much_memory: more than {settings.memory_mib} MiB (documents.memory_mib)"
        return reason


def _unpacked(found: object, is_document: bool) -> Extracted | list[Stretch] | None:
    if is_document:
        return Extracted.unpacked(found)
    if found is None:
        return None
    assert isinstance(found, list)
    return [Stretch(tuple(path), [(first, last) for first, last in parts]) for path, parts in found]


def _is_document(path: str) -> bool:
    return split_name(path)[1] in documents.LIBRARIES


def _has_process(path: str) -> bool:
    """Whether what reads the file at `path` is a process of its own."""
    return _is_document(path) or languages.has_grammar(split_name(path)[1])
