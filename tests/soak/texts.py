"""What the editor writes: notes of sections that the chunker keeps apart, each note with a word of its own."""

from __future__ import annotations

import random
import re

_WORDS = """
harbour lantern copper meadow violin glacier pepper orbit canvas thunder marble willow compass ember tunnel saffron
anchor pebble cedar falcon ribbon quarry velvet basin cobalt drizzle furnace garnet hazel indigo juniper kettle ledger
mosaic nectar opal prairie quilt raven sable timber umber valley walnut yarrow zephyr
"""
WORDS = tuple(_WORDS.split())
TOKEN = re.compile(rb"\bzq[0-9a-f]{10}\b")  # whole: an edit in the middle may have put letters beside it


def token(rng: random.Random) -> str:
    """A word that is in no other note, but in copies of the one that has it."""
    return f"zq{rng.getrandbits(40):010x}"


def sentence(rng: random.Random) -> str:
    words = rng.choices(WORDS, k=rng.randint(6, 14))
    return " ".join(words).capitalize() + "."


def section(rng: random.Random, n_sentences: int = 0) -> str:
    body = " ".join(sentence(rng) for _ in range(n_sentences or rng.randint(2, 8)))
    return f"## {rng.choice(WORDS).capitalize()} {rng.randint(1, 99)}\n\n{body}\n\n"


def note(rng: random.Random, n_sections: int = 0) -> bytes:
    """A note: a title, a word of its own, some sections."""
    sections = "".join(section(rng) for _ in range(n_sections or rng.randint(1, 4)))
    return f"# {rng.choice(WORDS).capitalize()}\n\nKept as {token(rng)} in the archive.\n\n{sections}".encode()


def branch(name: str, i: int) -> bytes:
    """File `i` of a branch: always the same, so that a checkout back and forth embeds nothing new."""
    rng = random.Random(f"{name} {i // 3 if i % 5 else i}")  # some files are the same in name only, some are copies
    return f"# {name} {i}\n\nKept as {token(random.Random(f'{name}{i}'))} here.\n\n{sentence(rng)}\n".encode()
