"""Vectors of one's own in memory, gone with the process: python vectors_memory.py. No daemon is needed."""

from __future__ import annotations

from vragd import open_backend


def main() -> None:
    """Useful in a test: it answers as every other backend does."""
    with open_backend("memory") as vectors:
        vectors.create_store("letters", dimension=2, metric="euclidean")
        vectors.put_vectors("letters", [("a", [0, 1]), ("b", [1, 0]), ("c", [5, 5], {"kind": "far"})])
        for found in vectors.query("letters", [0.2, 0.9], k=3):
            print(f"{found.score:.3f}  {found.key}  {dict(found.metadata)}")


if __name__ == "__main__":
    main()
