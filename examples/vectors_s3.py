"""
Vectors of one's own as objects in a bucket: python vectors_s3.py BUCKET [ENDPOINT_URL].

Credentials come from where AWS's own tools find them. No daemon is needed.
"""

from __future__ import annotations

import sys

from vragd import open_backend


def main(bucket: str, endpoint_url: str | None = None) -> None:
    """For few vectors: every program that asks reads all of them once."""
    with open_backend("s3", bucket=bucket, prefix="examples", endpoint_url=endpoint_url) as vectors:
        print(vectors.advice)
        vectors.create_store("letters", dimension=2)
        vectors.put_vectors("letters", [("a", [0, 1]), ("b", [1, 0])])
        print([found.key for found in vectors.query("letters", [0.2, 0.9], k=1)])
        vectors.delete_store("letters")


if __name__ == "__main__":
    main(*sys.argv[1:])
