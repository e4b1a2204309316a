"""Passwords and keys in files that nobody else may read. What is in them is in no error."""

from __future__ import annotations

import os
import stat

MAX_BYTES = 4_096


class Unfit(Exception):
    """Why a file is none to keep a secret in, or cannot be read; `hint`: the way out, where there is one to name."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def secret_in(path: str) -> str:
    """The text of a file of ours, or of root's, which nobody else may read, without white space around it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would be waited for
    except (OSError, ValueError) as error:
        raise Unfit(f"cannot be read: {getattr(error, 'strerror', None) or 'its path is none'}") from None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise Unfit("is no ordinary file")
        if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise Unfit(f"can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
        return os.read(fd, MAX_BYTES).decode("utf-8-sig").strip()
    except OSError as error:
        raise Unfit(f"cannot be read: {os.strerror(error.errno or 0)}") from None
    except UnicodeDecodeError:  # whose words quote it
        raise Unfit("is no UTF-8") from None
    finally:
        os.close(fd)


def can_be_sent(word: str) -> bool:
    """Whether a header can carry it as it is."""
    return word.isascii() and word.isprintable() and " " not in word
