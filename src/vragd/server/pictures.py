"""The route that shows the notes of stores in a plane. Its room is loaded when it is first asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vragd.errors import UsageError
from vragd.server.list_schemas import MAX_WAIT_S
from vragd.server.table import Call, Encoded, encoded_in_slices

if TYPE_CHECKING:
    from vragd.stores.pictures import Picture


async def pictures(call: Call) -> Any:
    """The notes of each store in a plane, placed by meaning, with links and named regions"""
    from vragd.stores.pictures import pictures as of_stores

    found = await of_stores(call.stores, call.query.get("store", []), wait_s=_wait(call), assistant=call.assistant)
    told = call.stores.beside(_Told)

    def encoded() -> Encoded:
        bodies = [_encoded(one) if call.assistant else told.encoded(one) for one in found]
        return Encoded(b'{"pictures":[' + b",".join(bodies) + b"]}")

    return await call.stores.aside.run(encoded)


class _Told:
    """The picture of each store that was told last, as bytes: of ten thousand notes they take a quarter of a second."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Picture, bytes]] = {}

    def encoded(self, picture: Picture) -> bytes:
        """On any thread. `Pictures` gives the same picture until it is another one."""
        last, body = self._last.get(picture.store, (None, b""))
        if last is not picture:
            body = _encoded(picture)
            self._last[picture.store] = picture, body
        return body

    def close(self) -> None:
        """Nothing runs."""


def _encoded(picture: Picture) -> bytes:
    return encoded_in_slices({name: getattr(picture, name) for name in picture.__slots__}).body


def _wait(call: Call) -> float:
    said = call.query.get("wait_s", ["0"])[-1]
    try:
        wait_s = float(said)
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= MAX_WAIT_S:
        raise UsageError(f"wait_s is {said[:40]!r}, expected 0 to {MAX_WAIT_S:g} seconds")
    return wait_s
