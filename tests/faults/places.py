"""
Every place of the code at which a test can end the process, one a line:

    python -m tests.faults.places
"""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "vragd"
_REACH = re.compile(r'\breach\("([a-z0-9_.]+)"\)')


def places_in_source(source: Path = SOURCE) -> set[str]:
    """As the text `reach("…")` names them."""
    return {place for file in source.rglob("*.py") for place in _REACH.findall(file.read_text())}


if __name__ == "__main__":
    print(*sorted(places_in_source()), sep="\n")
