"""Properties: YAML 1.2's core schema, bounded, never a failure."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.notes.chunk import read_note
from vragd.notes.model import Link, Value
from vragd.notes.properties import MAX_BYTES, MAX_DEPTH, load


def values(text: str) -> dict[str, Value]:
    found = load(text)
    assert found is not None
    return found.values


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("+7", 7),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ('""', ""),
        ("'true'", "true"),
        ('"12"', "12"),
        ("2026-02-30", "2026-02-30"),
        ("2024-05-01", date(2024, 5, 1)),
        ("2024-05-01T10:30", datetime(2024, 5, 1, 10, 30)),  # noqa: DTZ001
        ('"2024-05-01"', "2024-05-01"),
        ("{{date}}", "{{date}}"),
        ("{{日付}} ", "{{日付}}"),
        ("[[Note]]", (("Note",),)),
        ("[a, 1, null, [b]]", ("a", 1, None, ("b",))),
        ("{a: [1, {b: 2}], c: 3}", "{a: [1, {b: 2}], c: 3}"),
        (">-\n  A long\n  title", "A long title"),
        ("|\n  two\n  lines", "two\nlines"),
        ("The quick\n  brown fox", "The quick brown fox"),
        ('"Say \\"hi\\""', 'Say "hi"'),
        ("'It''s'", "It's"),
        ("!!str 5", "5"),
        ("!!python/name:os.system x", "x"),
        ("*nobody", "*nobody"),
        ("9" * 5_000, "9" * 5_000),
        ("\tbehind a tab\t", "behind a tab"),
        ("one\u2028line\x85all\u2029of it", "one line all of it"),
        ('"one\u2028q: 1"', "one q: 1"),
    ],
)
def test_a_value_is_what_the_core_schema_says(written: str, value: Value) -> None:
    assert values(f"p: {written}") == {"p": value}


@pytest.mark.parametrize(
    ("text", "tags", "aliases", "remarks"),
    [
        ("tags: [a, '#b/c']", ("a", "b/c"), (), ()),
        ("tags: a, b c", ("a", "b", "c"), (), ("legacy_tags",)),
        ("tag: a", ("a",), (), ("legacy_tags",)),
        ("aliases: [One two]", (), ("One two",), ()),
        ("alias: One two, three", (), ("One two", "three"), ("legacy_aliases",)),
        ("tags:\naliases: []", (), (), ()),
        ("tags: [2024, [x]]", ("2024", "x"), (), ()),
    ],
)
def test_tags_and_aliases_are_lists_and_older_spellings_are_said(
    text: str, tags: tuple[str, ...], aliases: tuple[str, ...], remarks: tuple[str, ...]
) -> None:
    found = load(text)
    assert found is not None
    assert (found.tags, found.aliases, found.remarks) == (tags, aliases, remarks)


@pytest.mark.parametrize(
    "text",
    [
        "a: [unclosed",
        "a: 'unclosed",
        "- a\n- b",
        "just text",
        "a: b: c",
        "\ta: 1",
        "a: \x01",
        "a: " + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "a: " + "[" * 100_000,
        "a: " + "x" * MAX_BYTES,
        "a: [" + "1," * 60_000 + "]",
        "a: @x",
    ],
)
def test_what_is_no_mapping_or_too_much_is_text(text: str) -> None:
    assert load(text) is None
    note = read_note(f"---\n{text}\n---\nbody".encode(), "n")
    assert note.remarks == ("broken_properties",)
    assert note.properties == {}
    assert note.chunks


def test_json_and_an_empty_mapping_are_properties() -> None:
    assert values('{"a": 1, "b": ["x"], "c": null}') == {"a": 1, "b": ("x",), "c": None}
    assert values("") == {} == values("# only a comment") == values("{}")


def test_an_alias_stands_for_one_text_or_a_list_of_such_and_for_so_much_in_all() -> None:
    laughs = "a: &a [lol, lol]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(20)
    )
    assert values("x: &x word\ny: *x") == {"x": "word", "y": "word"}
    assert values("tags: &t [p, q]\naliases: *t\nz: [*t, r]") == {
        "tags": ("p", "q"), "aliases": ("p", "q"), "z": (("p", "q"), "r"),
    }  # fmt: skip
    assert values("m: &m {k: [1]}\nn: *m\no: *none") == {"m": "{k: [1]}", "n": "{k: [1]}", "o": "*none"}
    assert values(laughs)["b"] == (("lol", "lol"),) * 9
    assert values(laughs)["c"] == ("*b",) * 9
    found = load(f"x: &x {'word ' * 20_000}\n" + "".join(f"y{i}: *x\n" for i in range(10_000)))
    assert found is not None
    assert sum(len(text) for text, _ in found.texts) < 2 * MAX_BYTES
    assert found.values["y9999"] == "*x"


def test_names_ignore_case_and_the_first_of_two_counts() -> None:
    assert values("Due: 1\ndue: 2\n'a b': 3") == {"due": 1, "a b": 3}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("? plain\n: v\n? alone\nx: 1", {"plain": "v", "alone": None, "x": 1}),
        ("? [a, b]\n: v\n? {c: d}\n: [w]", {"[a, b]": "v", "{c: d}": ("w",)}),
        ("? - a\n  - [B]\n:\n  - v\nx: 1", {"[a, [b]]": ("v",), "x": 1}),
        ("? |\n  long\n  key\n: v", {"long\nkey": "v"}),
        ("? &k name\n: *k", {"name": "name"}),
        (
            "7: a\n1.5: b\ntrue: c\n2024-05-01: d\n~: e",
            {"7": "a", "1.5": "b", "true": "c", "2024-05-01": "d", "~": "e"},
        ),
        ("base: &b {p: 1}\n<<: *b\nq: 2", {"base": "{p: 1}", "<<": "{p: 1}", "q": 2}),  # no merging in YAML 1.2
        (
            "a: !!int '5'\nb: !!float \"2.5\"\nc: !!null ''\nd: !!bool 'true'\ne: !!str 3",
            {"a": 5, "b": 2.5, "c": None, "d": True, "e": "3"},
        ),
        ("a: !own &x\n  k: &y v\nb: !!set {x, y}\nc: !thing [1]", {"a": "k: &y v", "b": "{x, y}", "c": (1,)}),
        ("a: |2-\n   one\n  two\nb: >+\n  c\n\nd: |-\n\n  e", {"a": " one\ntwo", "b": "c\n\n", "d": "\ne"}),
        ("a: 1\n---\nb: 2", {"a": 1}),
        ("%YAML 1.2\n---\na: 1", {"a": 1}),
    ],
)
def test_what_is_rarely_used_of_yaml_is_properties_too(text: str, found: dict[str, Value]) -> None:
    assert values(text) == found


@pytest.mark.parametrize("text", ["tags: {a, b}", "tags: !!set\n  ? a\n  ? b", "tags:\n  - a: b"])
def test_a_mapping_has_no_tags_in_it(text: str) -> None:
    found = load(text)
    assert found is not None
    assert (found.tags, found.remarks) == ((), ())
    assert found.texts, "its words are the note's all the same"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("title: >-\n  A long title\n  on two lines", "A long title on two lines"),
        ("title: |\n  A long title", "A long title"),
        ("title: null", "stem"),
        ("title: 'It''s late'", "It's late"),
        ("title: <% tp.file.title %>", "stem"),
        ("title: [a, b]", "stem"),
        ("title: {{title}}", "stem"),
        ("title: 1984", "1984"),
        ("title: ''", "stem"),
    ],
)
def test_a_title_is_plain_text_or_the_files_name(text: str, title: str) -> None:
    note = read_note(f"---\n{text}\naliases: [Al]\n---\nx".encode(), "stem")
    assert note.title == title
    assert note.names == tuple(dict.fromkeys(("stem", title, "Al")))


def test_links_in_properties_count_when_quoted() -> None:
    note = read_note(b'---\nup: "[[A#b|c]]"\nrel:\n  - "[[B]] and ![[C]]"\n  - [[D]]\n---\n', "n")
    assert note.marks.links == (
        Link("A", 2, "property", "b", "c"),
        Link("B", 4, "property"),
        Link("C", 4, "property", embed=True),
    )


@examples(100, 150)
@given(st.text("ab: \n-[]{}'\"#&*!|>%@`?,~1.\t\\é", max_size=80))
def test_any_text_is_properties_or_none(text: str) -> None:
    load(text)
