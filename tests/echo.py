"""`python -m tests.echo`: a process for `system.child` that does what it is told; with a number, within so many MiB."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from vragd.system.child import serve
from vragd.system.confine import confine

kept: list[bytes] = []


def answer(question: bytes) -> bytes:
    word, _, rest = question.partition(b" ")
    match word:
        case b"hang":
            time.sleep(600)
        case b"die":
            os._exit(3)
        case b"leave":
            os._exit(0)
        case b"grow":
            while True:
                kept.append(os.urandom(1 << 20))
        case b"long":
            return bytes(int(rest))
        case b"print":
            print("to nobody")
        case b"pid":
            return str(os.getpid()).encode()
        case b"environment":
            return " ".join(sorted(os.environ)).encode()
        case b"try":
            return _refused(rest.decode()).encode()
    return rest


def _refused(what: str) -> str:
    try:
        match what:
            case "network":
                with socket.socket() as one:
                    one.connect(("127.0.0.1", 9))
            case "name":
                socket.getaddrinfo("localhost", 80)
            case "program":
                subprocess.run(["true"], check=False)
            case "fork":
                os.fork()
            case "write":
                Path("/tmp/vragd-was-here").write_text("x")
            case "remove":
                Path("/tmp/vragd-was-here").unlink()
            case "read":
                Path(__file__).read_text()
    except PermissionError as error:
        return type(error).__name__
    return "done"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        confine(int(sys.argv[1]) << 20, None)
    serve(answer, float(sys.argv[2]) if len(sys.argv) > 2 else None)
