"""
`python -m vragd.sync.worker MEMORY_MIB CPU_S`: reads what may crash, hang or grow, for `sync.readers`.

A question is a line with the suffix and the bytes of the file; an answer is JSON. A document is the only one that its
process reads; a process that reads code goes on with the next file.
"""

from __future__ import annotations

import json
import sys

from vragd.notes.documents import LIBRARIES
from vragd.notes.model import NotIndexable
from vragd.system.child import serve
from vragd.system.confine import confine

IDLE_S = 30.0


def answer(question: bytes) -> bytes:
    """
    What is in the file: `{"found": …}`, or `{"refused": reason}`.

    Found is a packed `Extracted` for a document; for code its stretches, or null for what is not parsed.
    """
    suffix, _, data = question.partition(b"\n")
    try:
        found = {"found": _found(suffix.decode(), data)}
        return json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
    except NotIndexable as error:
        return json.dumps({"refused": error.reason}).encode()
    except MemoryError:
        return json.dumps({"refused": "too_much_memory"}).encode()


def _found(suffix: str, data: bytes) -> object:
    if suffix in LIBRARIES:
        from vragd.notes.extract import extract

        return extract(data, suffix).packed()
    from vragd.notes.readers.code import outline_of

    stretches = outline_of(data, suffix)
    return None if stretches is None else [[one.path, one.parts] for one in stretches]


def main() -> None:
    """Until nobody asks any more."""
    memory_mib, cpu_s = map(int, sys.argv[1:3])
    confine(memory_mib << 20, cpu_s or None)
    serve(answer, IDLE_S)


if __name__ == "__main__":
    main()
