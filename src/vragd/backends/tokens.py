"""
Metadata as tokens: what a server that compares whole texts can filter by. Does no I/O.

A token begins with the property's name, then a mark of its kind: `status"done`, `rating#p4010…`, `done!true`,
`due@p4310…`, and `status?` for its being there. Tokens of one property and kind are in the order of their values, by
the bytes of their UTF-8, which is by code point, as our filters compare.
"""

from __future__ import annotations

import math
import re
import struct

import xxhash

from vragd.terms.filter import Metadata, Moment, Scalar

MOST_TEXT = 256  # characters of a text that a token holds: Lucene takes 32,766 bytes, others less

_TEXT, _NUMBER, _FLAG, _MOMENT, _THERE = '"', "#", "!", "@", "?"
_LARGEST = int(struct.unpack(">d", bytes.fromhex("7fefffffffffffff"))[0])
_COMPLEMENT = str.maketrans("0123456789abcdef", "fedcba9876543210")
_RARE = re.compile("[\ud7ff-\udfff]")  # no UTF-8 holds a lone surrogate: two characters that sort where it did


def tokens(data: Metadata) -> list[str]:
    """The tokens of metadata, sorted, each once."""
    found = set()
    for field, value in data.items():
        name = name_of(field)
        found.add(name + _THERE)
        for element in value if isinstance(value, tuple) else (value,):
            if made := token(name, element):
                found.add(made)
    return sorted(found)


def there(field: str) -> str:
    """The token of a property's being there."""
    return name_of(field) + _THERE


def beginning(field: str, text: str) -> str:
    """How tokens of a property begin whose text begins so."""
    return f"{name_of(field)}{_TEXT}{escaped(text)}"


def name_of(field: str) -> str:
    """A property's name without what could be taken for a mark."""
    name = re.sub('["#!@?%]', lambda found: f"%{ord(found[0]):02x}", escaped(field))
    return name if len(name) <= MOST_TEXT else f"{name[:200]}%{_digest(field)}"


def token(name: str, value: Scalar) -> str:
    """The token of one value; empty for what equals nothing."""
    match value:
        case bool():
            return f"{name}{_FLAG}{'true' if value else 'false'}"
        case str():
            text = escaped(value)
            kept = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\0{_digest(value)}"
            return f"{name}{_TEXT}{kept}"
        case Moment(us, _):
            return f"{name}{_MOMENT}{_number(us)}"
        case float() if math.isnan(value):
            return ""
    return f"{name}{_NUMBER}{_number(value)}"


def _number(value: float) -> str:
    """
    A number so that texts are in its order, exactly: the double below it in size, then what it exceeds that by.

    No code is the beginning of another, so that of negative ones all digits can be turned round.
    """
    size = abs(value)
    if isinstance(size, int):
        near = float(min(size, _LARGEST))
        if int(near) > size:
            near = math.nextafter(near, 0.0)
        rest = size - int(near)
    else:
        near, rest = size, 0
    more = f"{rest:x}" if rest else ""
    code = f"{struct.pack('>d', near).hex()}{len(more):04x}{more}"
    return "n" + code.translate(_COMPLEMENT) if value < 0 else "p" + code


def escaped(text: str) -> str:
    """`text` as it stands in a token."""
    return _RARE.sub(lambda found: "\ud7ff" + chr(ord(found[0]) - 0xD7FF + 1), text)


def _digest(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))
