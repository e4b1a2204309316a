"""
`python -m vragd.search.picture.worker MEMORY_MIB CPU_S`: lays out vectors, for `asked`, in a process of its own.

NumPy holds the interpreter for parts of it, and answers must not wait for that.
"""

from __future__ import annotations

import os
import sys

from vragd.system.child import serve
from vragd.system.confine import confine


def answer(question: bytes) -> bytes:
    """As `asked` puts it: the length of a row and the rows; the points, or nothing where memory does not suffice."""
    import numpy as np

    from vragd.search.picture.layout import laid_out

    try:
        dimension = int.from_bytes(question[:4], "little")
        rows = np.frombuffer(question, dtype="<f4", offset=4).reshape(-1, dimension)
        return laid_out(rows).astype("<f4").tobytes()
    except MemoryError:
        return b""


def main() -> None:
    """Until nobody asks any more."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"  # sums in one order, on one core
    import numpy  # noqa: F401  before anything is given up

    memory_mib, cpu_s = map(int, sys.argv[1:3])
    confine(memory_mib << 20, cpu_s)
    serve(answer)


if __name__ == "__main__":
    main()
