"""The name somebody may have meant, of a few. Standard library only, and little of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def nearest(name: str, names: Iterable[str], at_least: float = 0.6) -> str:
    """That of `names` which is spelled most like `name`; "" if none is so like it, of 1."""
    import difflib

    folded = {one.casefold(): one for one in names}
    found = difflib.get_close_matches(name.casefold(), list(folded), 1, at_least)
    return folded[found[0]] if found else ""


def one_of(name: str, names: Sequence[str], none: str) -> str:
    """A hint for who asked for `name`, where there are these `names`; `none` where there is no name at all."""
    listed = f"one of: {', '.join(names)}" if names else none
    return f"did you mean {near!r}? {listed}" if (near := nearest(name, names)) and len(names) > 1 else listed
