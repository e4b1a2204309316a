"""The route that shows the notes of stores in a plane. Its room is loaded when it is first asked."""

from __future__ import annotations

from typing import Any

from vragd.errors import UsageError
from vragd.server.list_schemas import MAX_WAIT_S
from vragd.server.table import Call, Encoded, encoded_in_slices


async def pictures(call: Call) -> Any:
    """The notes of each store in a plane, placed by meaning, with links and named regions"""
    from vragd.stores.pictures import pictures as of_stores

    found = await of_stores(call.stores, call.query.get("store", []), wait_s=_wait(call), assistant=call.assistant)

    def encoded() -> Encoded:
        told = (encoded_in_slices({name: getattr(one, name) for name in one.__slots__}).body for one in found)
        return Encoded(b'{"pictures":[' + b",".join(told) + b"]}")

    return await call.stores.aside.run(encoded)


def _wait(call: Call) -> float:
    said = call.query.get("wait_s", ["0"])[-1]
    try:
        wait_s = float(said)
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= MAX_WAIT_S:
        raise UsageError(f"wait_s is {said[:40]!r}, expected 0 to {MAX_WAIT_S:g} seconds")
    return wait_s
