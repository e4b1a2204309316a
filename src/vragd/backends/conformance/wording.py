"""
What is promised of words by a backend that finds them itself (`FindsWords`), where it keeps text; `holding` has what
it is used with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

from vragd.backends.base import Batch, Entry, FindsWords, VectorBackend, finding_words
from vragd.backends.conformance.holding import NewBackend, put, some
from vragd.errors import Unsupported
from vragd.terms.filter import Filter, equals

TEXTS: Mapping[str, tuple[str, str]] = {
    "k-beans": ("Beans", "Roast the beans until they crack twice."),
    "k-brew": ("Brewing", "Coffee is brewed slowly, with water just off the boil."),
    "k-roses": ("Roses", "Prune in March, before the buds open. Coffee grounds are good for the soil."),
    "k-long": ("Journal", "Of much and many things a long day was made. " * 60 + "Coffee, too."),
    "k-tea": ("Tea", "Green tea stands for two minutes."),
}
HOSTILE = (
    "a & b | !c", "coffee:* <-> beans", "'", '"', "\\", "%s %", "(", "AND OR NOT", "coffee\0tea", "*:*", "ß İ",
    "x" * 1_000, " ",
)  # fmt: skip


class _Backend(VectorBackend, FindsWords, Protocol):
    pass


def _entries(texts: Mapping[str, tuple[str, str]], *, moved: bool = False) -> list[Entry]:
    rows = some(len(TEXTS))
    return [
        Entry(
            key, None if moved else rows[i], {"folder": "Kitchen" if key != "k-roses" else "Garden"},
            {"title": title, "heading": ("Steps", f"Of {title.lower()}"), "content": text, "path": f"{key}.md"},
            "b" * 16 if moved else "a" * 16,
        )
        for i, (key, (title, text)) in enumerate(texts.items())
    ]  # fmt: skip


def _with_texts(new_backend: NewBackend) -> _Backend | None:
    """The backend with `TEXTS`; None where nothing is promised of words: then it has none, or keeps no text."""
    b = new_backend()
    b.create_collection("sss", len(some(1)[0]), "cosine")
    put(b, _entries(TEXTS))
    if (finding := finding_words(b)) is None:
        return None
    try:
        finding.query_words("sss", "coffee", 5)
    except Unsupported as error:
        assert error.hint, "it says what finds words"
        assert not any("content" in held.payload for held in b.get("sss", list(TEXTS), metadata=True).values())
        return None
    return cast(_Backend, b)


def _found(b: _Backend, text: str, top_k: int = 10, where: Filter | None = None) -> list[str]:
    return [match.key for match in b.query_words("sss", text, top_k, where=where).items]


def check_words_find_text_that_has_any_of_them(new_backend: NewBackend) -> None:
    if (b := _with_texts(new_backend)) is None:
        return
    assert set(_found(b, "coffee")) == {"k-brew", "k-roses", "k-long"}
    assert _found(b, "COFFEE brewed nowhereatall")[0] == "k-brew"
    assert set(_found(b, "crack minutes")) == {"k-beans", "k-tea"}
    assert _found(b, "coffee")[-1] == "k-long", "a long text is no better for its length"
    assert _found(b, "roses") == ["k-roses"], "the names are words of it"
    assert _found(b, "nowhereatall") == []
    (match,) = b.query_words("sss", "crack", 5).items
    assert match.score > 0
    assert match.payload["path"] == "k-beans.md"


def check_words_are_narrowed_and_cut_before_they_are_ranked(new_backend: NewBackend) -> None:
    if (b := _with_texts(new_backend)) is None:
        return
    assert _found(b, "coffee", where=equals("folder", "Garden")) == ["k-roses"]
    assert set(_found(b, "coffee", where=equals("folder", "Kitchen"))) == {"k-brew", "k-long"}
    assert _found(b, "tea", where=equals("folder", "Nowhere")) == []
    best = b.query_words("sss", "coffee", 2)
    assert (len(best.items), best.end) == (2, "more")
    assert [match.key for match in best.items] == _found(b, "coffee")[:2]
    assert b.query_words("sss", "coffee", 10).end == "exhausted"


def check_words_are_those_of_what_is_there_now(new_backend: NewBackend) -> None:
    if (b := _with_texts(new_backend)) is None:
        return
    b.delete_vectors("sss", ["k-brew"])
    assert set(_found(b, "coffee")) == {"k-roses", "k-long"}
    changed = {"k-tea": ("Tea", "Black coffee instead."), "k-roses": ("Roses", "Prune in March.")}
    if b.traits.patches:
        b.put_metadata("sss", Batch.of(_entries(changed, moved=True)))
    else:
        put(b, _entries(changed))
    assert set(_found(b, "coffee")) == {"k-tea", "k-long"}
    assert _found(b, "green") == []


def check_no_text_is_taken_for_an_operator(new_backend: NewBackend) -> None:
    if (b := _with_texts(new_backend)) is None:
        return
    for text in HOSTILE:
        found = set(_found(b, text))
        assert found <= ({"k-brew", "k-roses", "k-long", "k-tea", "k-beans"} if "coffee" in text else {"k-long"}), text
    assert "k-brew" in _found(b, "coffee & nowhereatall")
