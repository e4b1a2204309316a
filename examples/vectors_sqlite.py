"""Vectors of one's own in a file, backend `sqlite`: python vectors_sqlite.py PLACE. No daemon is needed."""

from __future__ import annotations

import sys

from vragd import Record, open_backend

COLOURS = {"red": (1.0, 0.0, 0.0), "orange": (1.0, 0.6, 0.0), "navy": (0.0, 0.0, 0.5), "sky": (0.5, 0.8, 1.0)}


def main(place: str) -> None:
    """Everything that was put is on the disk when put_vectors returns."""
    with open_backend("sqlite", path=place) as vectors:
        vectors.create_store("colours", dimension=3)
        records = [Record(name, rgb, {"warm": rgb[0] > rgb[2]}) for name, rgb in COLOURS.items()]
        print(vectors.put_vectors("colours", records), "colours put")
        for found in vectors.query("colours", [1.0, 0.1, 0.1], k=2):
            print(f"{found.score:.3f}  {found.key}")
        print([found.key for found in vectors.query("colours", [1.0, 0.1, 0.1], filter={"warm": False})])
        print(vectors.delete_vectors("colours", ["navy", "beige"]), "deleted")


if __name__ == "__main__":
    main(sys.argv[1])
