"""What a check says: to its user in full, to a stranger without a name of anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from vragd.errors import VragdError

State = Literal["ok", "note", "bad"]
Fact = int | float | bool | str | None
_WORD = re.compile(r"[A-Za-z0-9_.+-]{1,40}")


class Finding(NamedTuple):
    """
    `found` and the `way` out are for its user, and may name paths, vaults, hosts. `facts` are for strangers: numbers,
    and words that come from the system or from vragd, never from the user's files, names or environment.
    """

    area: str
    state: State
    found: str
    way: str = ""
    facts: Mapping[str, Fact] = {}

    def public(self) -> dict[str, Any]:
        """The finding without anything of its user's."""
        facts = {
            key: value for key, value in self.facts.items() if not isinstance(value, str) or _WORD.fullmatch(value)
        }
        return {"area": self.area, "state": self.state, **facts}


def ran(area: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What `check` finds; what stops it is a finding, too."""
    found: list[Finding] = []
    try:
        found += check()
    except VragdError as error:
        found.append(Finding(area, "bad", error.message, error.hint, {"code": error.code}))
    except Exception as error:  # a check that breaks is not to hide what the others find
        kind = type(error).__name__  # its words may quote anything: a key that no header can carry
        found.append(Finding(area, "bad", f"could not be looked at: {kind}", "", {"error": kind}))
    return found
