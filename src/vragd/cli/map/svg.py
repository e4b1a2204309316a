"""A picture as SVG: dark where the reader's screen is, the path of a note where one points at it, no script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from vragd.cli.map.colours import OTHER, PALETTE, coloured
from vragd.cli.render import plural

SIZE, MARGIN = 1000, 40
_LETTER, _LINE = 8.5, 18  # about how wide one is, and how high a line
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE = "".join(
    (
        "svg{background:#fff;color:#222}line{stroke:#888;stroke-width:.5;opacity:.25}",
        "text{font:600 15px sans-serif;fill:currentColor;stroke:#fff;stroke-width:3;paint-order:stroke;",
        "text-anchor:middle;pointer-events:none}",
        *(f".c{at}{{fill:#{colour}}}" for at, colour in enumerate((*PALETTE, OTHER))),
        "@media(prefers-color-scheme:dark){svg{background:#161616;color:#eee}text{stroke:#161616}}",
    )
)


def drawn(picture: Mapping[str, Any]) -> bytes:
    """The document, in UTF-8."""
    return "\n".join(_lines(picture)).encode("utf-8")


def text(said: str) -> str:
    """Text as it may stand in XML: what no XML can hold is left out."""
    return escape(_NOT_XML.sub("", said))


def _lines(picture: Mapping[str, Any]) -> Iterator[str]:
    notes = picture["notes"]
    at = [(_across(note["x"]), _across(-note["y"])) for note in notes]
    radius = 2.5 if len(notes) > 3_000 else 4
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img">'
    yield f"<title>{text(picture['store'])}: {plural(len(notes), 'note')}, placed by meaning</title>"
    yield f"<style>{_STYLE}</style>"
    yield "<g>"
    for one, other in picture["links"]:
        (x, y), (to_x, to_y) = at[one], at[other]
        yield f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'
    yield "</g>"
    yield "<g>"
    for note, (x, y), colour in zip(notes, at, coloured(notes), strict=True):
        said = text(f"{note['title']}\n{note['source']}/{note['path']}")
        yield f'<circle class="c{colour}" cx="{x}" cy="{y}" r="{radius}"><title>{said}</title></circle>'
    yield "</g>"
    yield "<g>"
    for name, x, y in _labels(picture["regions"]):
        yield f'<text x="{x}" y="{y}">{text(name)}</text>'
    yield "</g>"
    yield "</svg>"


def _labels(regions: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float, float]]:
    """Each name and where its middle is: inside, and in no other's way; one that finds no room is left out."""
    taken: list[tuple[float, float, float]] = []
    for region in regions:  # the largest first
        half = min(SIZE / 2, _LETTER * len(region["name"]) / 2)
        x = min(max(_across(region["x"]), half), SIZE - half)
        for shift in (0, _LINE, -_LINE, 2 * _LINE):
            y = min(max(_across(-region["y"]) + shift, _LINE), SIZE - _LINE / 2)
            if all(abs(y - b) >= _LINE or abs(x - a) >= half + other for a, b, other in taken):
                taken.append((x, y, half))
                yield region["name"], round(x, 1), round(y, 1)
                break


def _across(x: float) -> float:
    return round(SIZE / 2 + x * (SIZE / 2 - MARGIN), 1)
