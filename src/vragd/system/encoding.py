"""Names of files are UTF-8 whatever the locale says: read otherwise, what is excluded by its name would be found."""

from __future__ import annotations

import codecs
import os
import sys

SWITCH = "PYTHONUTF8"


def begin_in_utf8() -> None:
    """
    Begin this process anew where Python takes names of files for something else than UTF-8; returns where it does not.

    What is printed stays in the encoding of the terminal. For the main thread, before anything was begun.
    """
    spoken = codecs.lookup(sys.getfilesystemencoding()).name
    if spoken == "utf-8" or os.environ.get(SWITCH) == "1" or not sys.executable:
        return
    environment = os.environ | {SWITCH: "1"}
    if sys.stdout is not None:
        environment.setdefault("PYTHONIOENCODING", f"{sys.stdout.encoding}:{sys.stdout.errors}")
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606  the very program that runs
