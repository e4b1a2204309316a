"""The daemon's answers as a model is given them: what it needs to cite and to go on, cleaned, no more."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from vragd.mcp.text import Fence, name, names, path, seen

MOST_TEXT_CHARS, MOST_TEXT_BYTES = 1_500, 3_000
"""Of a hit's text; `get_note` has the rest."""
MOST_HINTS = 5
MOST_STORES, MOST_SOURCES = 20, 20
MOST_TYPES = 8

Told = Mapping[str, Any]


def hit(one: Told, fence: Fence) -> dict[str, Any]:
    """A hit of a search: a note and its best passage."""
    text = seen(one["text"])
    short = text[:MOST_TEXT_CHARS].encode("utf-8")[:MOST_TEXT_BYTES].decode("utf-8", "ignore")
    is_cut = len(text) > len(short)
    said = _placed(one) | {
        "text": fence.around(short + "…" if is_cut else text),
        "score": round(one["score"], 3),
        "modified": _day(one["modified"]),
    }
    if is_cut:
        said["cut"] = True
    if more := [f"{name(part['id'])} lines {_lines(part)}" for part in one.get("passages", ())[:3]]:
        said["also"] = more
    return said | _same_in(one)


def _same_in(one: Told) -> dict[str, Any]:
    """Where else the same stands: two places, more would be no use."""
    copies = [name(path_of(copy)) for copy in one.get("copies", ())[:2]]
    return {"same_in": copies} if copies else {}


def related(one: Told) -> dict[str, Any]:
    """A related note and its nearest passage."""
    from vragd.client import Answered  # which says what it lacks; loaded by then

    flat = Answered({**one, **one["note"]})
    said = _placed(flat) | {"score": round(one["score"], 3), "modified": _day(one["modified"])}
    return said | ({"linked": list(one["linked"])} if one["linked"] else {}) | _same_in(one)


def _placed(one: Told) -> dict[str, Any]:
    said = {"title": name(one["title"]), "path": path_of(one), "heading": names(one["heading"]), "lines": one["lines"]}
    return {"id": name(one["id"]), **said} if one.get("id") else said


def path_of(file: Told) -> str:
    """The path with its source before it, as get_note takes it; two vaults may have one of the same name."""
    return path(f"{file['source']}/{file['path']}")


def _lines(part: Told) -> str:
    first, last = part["lines"]
    return f"{first}-{last}"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def links(answer: Told) -> list[dict[str, Any]]:
    """Those of a note, those to it, those that lead nowhere: one list."""
    found = []
    for direction in ("out", "back", "unresolved"):
        for one in answer[direction]:
            said: dict[str, Any] = {"direction": direction}
            if direction == "back":
                said["path"] = path_of(one["of"])
            elif one["to"] is not None:
                said["path"] = path_of(one["to"])
            else:
                said["target"] = name(one["target"])
            said["line"] = one["line"]
            if one["subpath"]:
                said["place"] = name(one["subpath"])
            if one.get("missing"):
                said["place_is_missing"] = True
            if one["alias"]:
                said["shown_as"] = name(one["alias"])
            if one["heading"]:
                said["under"] = names(one["heading"])
            found.append(said | ({"embed": True} if one["embed"] else {}))
    return found


def changed(one: Told) -> dict[str, Any]:
    """A note that was changed lately."""
    return {"title": name(one["note"]["title"]), "path": path_of(one["note"]), "modified": _day(one["modified"])}


def tags(answer: Told) -> list[dict[str, Any]]:
    """Each tag, with what is nested in it."""
    return [{"tag": name(one["name"]), "notes": one["count"]} for one in answer["tags"]]


def properties(answer: Told) -> list[dict[str, Any]]:
    """Each property, and of what type its values are."""
    return [
        {"property": name(one["name"]), "notes": one["count"], "types": list(one["types"])[:MOST_TYPES]}
        for one in answer["properties"]
    ]


def values(answer: Told) -> list[dict[str, Any]]:
    """Those of one property."""
    return [
        {"value": name(one["value"]), "type": one["type"], "notes": one["count"]} for one in answer["values"]
    ]  # fmt: skip


def first_line(answer: Told) -> int | None:
    """The number of the first line of what was read; None where it has pages or slides, or is a part of a line."""
    first, last = answer["lines"]
    return first if answer["text"].count("\n") == last - first else None


def note(answer: Told) -> dict[str, Any]:
    """Where a text that was read is from."""
    said: dict[str, Any] = {"title": name(answer["note"]["title"]), "path": path_of(answer["note"])}
    if answer["id"]:
        said["id"] = name(answer["id"])
    if answer["heading"]:
        said["heading"] = names(answer["heading"])
    said |= {"lines": answer["lines"], "n_lines": answer["n_lines"]}
    if answer["changed"]:
        said["changed"] = "that passage was edited: this is what is nearest to it in its note"
    return said | _same_in(answer)


def status(answer: Told) -> dict[str, Any]:
    """What is indexed, and what of it is not up to date; of how many stores, sources and failures nothing is said."""
    stores = [
        {
            "store": name(store["name"]),
            "notes": store["notes"],
            "pending": store["pending"],
            "sources": [
                {"name": name(one["name"]), "state": name(one["state"])} for one in store["sources"][:MOST_SOURCES]
            ],
            **_beyond("sources_left_out", store["sources"], MOST_SOURCES),
            **({"trouble": name(store["trouble"]["message"])} if store.get("trouble") else {}),
            **({"degraded": names(store["degraded"])} if store["degraded"] else {}),
        }
        for store in answer["stores"][:MOST_STORES]
    ]
    faults = answer.get("failed", ())
    failed = [f"{name(one['name'])}: {name(one['message'])}" for one in faults[:MOST_HINTS]]
    said = {"stores": stores, "pending": answer["pending"], "version": name(answer["version"])}
    said |= _beyond("left_out", answer["stores"], MOST_STORES) | ({"failed": failed} if failed else {})
    return said | _beyond("failed_left_out", faults, MOST_HINTS)


def _beyond(key: str, items: Sequence[Any], most: int) -> dict[str, int]:
    return {key: len(items) - most} if len(items) > most else {}


def beside(answer: Told) -> dict[str, Any]:
    """What is to be known of an answer: why it may lack something, and what the question may have meant."""
    lacks = names(answer["degraded"])
    if n := answer["pending"]:
        lacks.append(f"{n:,} changed files are still to be indexed")
    if n := answer.get("n_unread"):
        lacks.append(f"{n:,} notes are still to be read for this")
    hints = [_unknown(one) for one in answer.get("unknown", ())[:MOST_HINTS]]
    hints += [f"{name(word)!r} is in no note; looked for {name(other)!r} instead"
              for word, other in list(answer.get("instead", {}).items())[:MOST_HINTS]]  # fmt: skip
    if (n := answer.get("n_weak")) and not answer.get("hits"):
        hints.append(f"no good match; {n:,} weak ones were left out: ask in other words")
    return ({"incomplete": lacks} if lacks else {}) | ({"hints": hints} if hints else {})


def _unknown(one: Told) -> str:
    nearest = f"; did you mean {name(one['nearest'])!r}?" if one["nearest"] else ""
    what = {"folder": "is in the folder", "note": "is called"}.get(one["kind"], f"has the {one['kind']}")
    return f"no note {what} {name(one['name'])!r}{nearest}"
