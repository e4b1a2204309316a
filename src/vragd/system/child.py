"""
A process of its own for what may crash, hang or grow: asked over its standard input, answering over its output.

A message is eight bytes of length and so many bytes. The process inherits no descriptor but these, unless told, and no
environment but what a Python needs to find its modules.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

HEAD = 8
Answer = Callable[[bytes], bytes]
OUT_OF_MEMORY = 77
"""What a process ends with that has found out itself that it grew too large."""
_KEPT = ("HOME", "PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG",
         "LC_ALL", "SYSTEMROOT")  # fmt: skip


class ChildEnded(Exception):
    """There is no answer. `reason`: `too_slow`, `too_much_memory`, `too_much_text`, `crashed`, or `closed` by us."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooMuch(EOFError):
    """The answer is longer than it may be."""


class _Idle(Exception):
    """The process ended by itself, and well."""


class Child:
    """
    A module that runs as a process from when it is first asked; one that ended is begun anew by the next question.

    `ask` is for one thread at a time; `close` may be called from any. `passed` are descriptors that it inherits, too.
    """

    def __init__(self, module: str, *args: str, passed: Sequence[int] = ()) -> None:
        self._argv = [sys.executable, "-P", "-B", "-X", "utf8", "-m", module, *args]
        self._passed = passed
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = threading.Lock()
        self._is_closed = False
        self._reason = ""

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        process = self._process
        return None if process is None else process.pid

    def ask(self, question: bytes, timeout_s: float, most: int) -> bytes:
        """
        The answer, of `most` bytes at most. Raises ChildEnded, and the process has ended then; OSError if none began.
        """
        with self._asking:
            try:
                return self._ask(question, timeout_s, most)
            except _Idle:  # it ended as it was asked, for nobody had asked for long
                try:
                    return self._ask(question, timeout_s, most)
                except _Idle:
                    raise ChildEnded("crashed") from None

    def _ask(self, question: bytes, timeout_s: float, most: int) -> bytes:
        process = self._begin()
        timer = threading.Timer(timeout_s, self._kill, (process, "too_slow"))
        timer.daemon = True
        timer.start()
        try:
            if self._is_closed:  # since
                self._kill(process, "closed")
            return _answer(process, question, most)
        except (EOFError, OSError) as error:
            with suppress(subprocess.TimeoutExpired):  # one that ends by itself says why
                process.wait(0 if isinstance(error, TooMuch) else 1)
            self._kill(process, "too_much_text" if isinstance(error, TooMuch) else "")
            status = self._reap(process)
            if status == 0 and not self._reason:
                raise _Idle from None
            raise ChildEnded(self._reason or ("too_much_memory" if status == OUT_OF_MEMORY else "crashed")) from None
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the process, whatever it does, and begin no other."""
        self._is_closed = True
        if (process := self._process) is not None:
            self._kill(process, "closed")
        with self._asking:
            if self._process is not None:
                self._reap(self._process)

    def _begin(self) -> subprocess.Popen[bytes]:
        if self._is_closed:
            raise ChildEnded("closed")
        if self._process is not None and self._process.poll() is not None:
            self._reap(self._process)
        if self._process is None:
            self._reason = ""
            self._process = subprocess.Popen(  # noqa: S603  this Python, and a module of ours
                self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ}, cwd="/", start_new_session=True,
                pass_fds=self._passed,
            )  # fmt: skip
        return self._process

    def _kill(self, process: subprocess.Popen[bytes], reason: str) -> None:
        if process.poll() is None:
            self._reason = self._reason or reason
            process.kill()

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        status = process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):  # what it never read cannot be flushed
                if stream is not None:
                    stream.close()
        self._process = None
        return status


def _answer(process: subprocess.Popen[bytes], question: bytes, most: int) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(len(question).to_bytes(HEAD, "big") + question)
    process.stdin.flush()
    n = int.from_bytes(_exactly(process.stdout, HEAD), "big")
    if n > most:
        raise TooMuch
    return _exactly(process.stdout, n)


def serve(answer: Callable[[bytes], bytes], idle_s: float | None = None) -> None:
    """
    In the process: answer each question, until there are no more, or none for `idle_s` seconds.

    What is printed meanwhile goes nowhere: standard output is the answers'.
    """
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    serve_on(questions, answers, answer, idle_s)


def serve_on(
    questions: IO[bytes],
    answers: IO[bytes],
    answer: Callable[[bytes], bytes],
    idle_s: float | None = None,
    end: Callable[[int], object] = os._exit,
) -> None:
    """As `serve`, over these; `end` is called where nobody asked for so long."""
    while True:
        timer = threading.Timer(idle_s, end, (0,)) if idle_s is not None else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            n = int.from_bytes(_exactly(questions, HEAD), "big")
        except EOFError:
            return
        finally:
            if timer is not None:
                timer.cancel()
        told = answer(_exactly(questions, n))
        answers.write(len(told).to_bytes(HEAD, "big") + told)
        answers.flush()


def _exactly(stream: IO[bytes], n: int) -> bytes:
    data = stream.read(n)
    if len(data) < n:
        raise EOFError
    return data
