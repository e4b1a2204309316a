"""
Vectors of one's own in PostgreSQL with pgvector: python vectors_pgvector.py HOST DATABASE USER.

Needs pip install 'vragd[pgvector]'; the password comes from PGPASSWORD or ~/.pgpass. No daemon is needed.
"""

from __future__ import annotations

import sys

from vragd import open_backend


def main(host: str, database: str, user: str) -> None:
    """Others may search the same table, and put into it, at the same time."""
    with open_backend("pgvector", host=host, database=database, user=user) as vectors:
        vectors.create_store("letters", dimension=2)
        vectors.put_vectors("letters", [("a", [0, 1]), ("b", [1, 0])])
        print([found.key for found in vectors.query("letters", [0.2, 0.9], k=1)])
        vectors.delete_store("letters")


if __name__ == "__main__":
    main(*sys.argv[1:])
