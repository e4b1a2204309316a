"""Ask the daemon: python search.py WORDS…"""

from __future__ import annotations

import sys

from vragd import Client, Question


def main(text: str) -> None:
    """The three best notes, each with the passage that matched."""
    answer = Client().search(Question(text, top_k=3))
    for hit in answer.hits:
        print(f"{hit.score:.2f}  {hit.source}/{hit.path}:{hit.lines[0]}  {hit.title}\n      {hit.excerpt}")
    if not answer.hits:
        print(f"nothing found ({answer.n_weak} weak)")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
