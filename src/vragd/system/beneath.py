"""
Opening a folder many levels down in one step, no link on the way being followed.

Linux has a call for that (openat2); elsewhere, and where it is forbidden, each level is a step of its own.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterator

FEW = 4
"""Up to so many levels the plain calls are as quick."""
_AT_ONCE = 3_500  # bytes; the system takes 4,096
_OPENAT2 = 437  # on every processor
_NO_LINKS = 0x2 | 0x4  # RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)
_is_possible = sys.platform == "linux"


def steps(path: str) -> Iterator[str]:
    """`path`, of folders each inside the one before, in parts to be opened one after the other by `open_step`."""
    if not _is_possible or path.count("/") < FEW:
        yield from path.split("/")
        return
    raw = os.fsencode(path)
    while len(raw) > _AT_ONCE:
        cut = raw.rfind(b"/", 0, _AT_ONCE)
        if cut < 0:
            break  # a name longer than any: the system says so
        yield os.fsdecode(raw[:cut])
        raw = raw[cut + 1 :]
    yield os.fsdecode(raw)


def open_step(fd: int, step: str, flags: int) -> int:
    """A descriptor of the folder `step` below `fd`. Raises OSError, ENOTDIR for a link on the way."""
    global _is_possible  # noqa: PLW0603
    if "/" not in step:
        return os.open(step, flags, dir_fd=fd)
    if _is_possible:
        how = _How(flags, 0, _NO_LINKS)
        found: int = _libc.syscall(_OPENAT2, fd, os.fsencode(step), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return found
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            code = errno.ENOTDIR if code == errno.ELOOP else code
            raise OSError(code, os.strerror(code), step)
        _is_possible = False
    deeper = os.dup(fd)
    try:
        for folder in step.split("/"):
            above, deeper = deeper, os.open(folder, flags, dir_fd=deeper)
            os.close(above)
    except OSError:
        os.close(deeper)
        raise
    return deeper
