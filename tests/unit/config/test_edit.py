"""A source is put into a configuration, or taken out, and nothing else of its text changes."""

from __future__ import annotations

from difflib import ndiff

import pytest
import yaml

from vragd.config.edit import quoted, with_source, without_source
from vragd.config.load import parse
from vragd.errors import ConfigError

MINE = """\
# mine

watch: {settle_ms: 300}   # quick

stores:
    notes:   # the first
        sources:
        - path: "/home/ada/Vault"   # of old
          exclude: ['Private/', "no"]
          # name: another
        # before the model
        embedder: {type: builtin}

    work:
        sources: [{path: ~/Work}]
# the end
"""


def added(before: str, after: str) -> list[str]:
    changed = [line for line in ndiff(before.splitlines(), after.splitlines()) if not line.startswith(("  ", "?"))]
    assert all(line.startswith("+") for line in changed), changed
    return [line[2:] for line in changed]


def test_a_source_is_a_line_more_and_no_line_else() -> None:
    after = with_source(MINE, "f", "notes", {"path": "/new one"})
    assert added(MINE, after) == ['        - path: "/new one"']
    assert after.index("# name: another") < after.index("/new one") < after.index("# before the model")
    assert [str(s.path) for s in parse(after, "f").stores["notes"].sources] == ["/home/ada/Vault", "/new one"]


def test_a_list_in_a_line_gets_it_in_its_line() -> None:
    after = with_source(MINE, "f", "work", {"path": "/new", "name": "no"})
    assert '        sources: [{path: ~/Work}, {path: "/new", name: "no"}]\n# the end\n' in after
    assert after.replace(', {path: "/new", name: "no"}', "") == MINE


@pytest.mark.parametrize(
    "text",
    [
        "", "# nothing yet\n", "# nothing yet", "watch: {settle_ms: 300}\n", "watch:\n  settle_ms: 300",
        "stores:\n", "stores: {}\n",
        "stores:  # none\n\nwatch: {settle_ms: 300}\n", "stores: {}  # none\nwatch:\n  settle_ms: 300\n",
        "stores:\n  notes:\n", "stores:\n  notes: {}\n", "stores:\n  notes:\n    sources:\n",
        "stores:\n  notes:\n    sources: []\n    metric: cosine\n", "stores:\n  notes:\n    metric: cosine\n",
        "stores:\n  other:\n    metric: cosine\n# end\n",
        "stores:\n  notes:\n    sources:\n      - path: /a\n        name: |-\n          x\n",
        "stores:\n  notes:\n    sources:\n    - path: /a",
        "stores:\r\n  notes:\r\n    sources:\r\n      - path: /a\r\n# end\r\n",
        "stores:\n  notes:\n    sources:\n      -\n        path: /a\n\n\n\nwatch:\n  settle_ms: 300\n",
    ],
)  # fmt: skip
def test_wherever_there_is_none_yet_or_some_it_is_the_last(text: str) -> None:
    after = with_source(text, "f", "notes", {"path": "/new", "name": "on"})
    found = parse(after, "f").stores["notes"].sources
    assert (str(found[-1].path), found[-1].name) == ("/new", "on")
    assert [line for line in text.splitlines() if "#" in line and line not in after] == [
        line for line in text.splitlines() if "{}  #" in line
    ], "a comment is lost"
    assert ("\r\n" in after) == ("\r\n" in text)
    assert after.count("\r") == (after.count("\n") if "\r" in text else 0)
    one_more = with_source(after, "f", "notes", {"path": "/newer"})
    assert [str(s.path) for s in parse(one_more, "f").stores["notes"].sources][-2:] == ["/new", "/newer"]
    back = without_source(one_more, "f", "notes", len(found))
    assert back == after


def test_the_last_source_leaves_an_empty_list_and_its_comments() -> None:
    after = without_source(MINE, "f", "notes", 0)
    assert parse(after, "f").stores["notes"].sources == ()
    for comment in ("# mine", "# quick", "# the first", "# name: another", "# before the model", "# the end"):
        assert comment in after


@pytest.mark.parametrize(
    ("text", "store"),
    [
        ("a: &s [{path: /a}]\nstores:\n  notes:\n    sources: *s\n", "notes"),
        ("stores: {notes: {sources: [{path: /a}]}}\n", "more"),
        ("stores:\n  notes:\n    sources: nonsense\n", "notes"),
        ("- a\n", "notes"),
        ("stores: [\n", "notes"),
    ],
)
def test_what_cannot_be_changed_alone_is_refused(text: str, store: str) -> None:
    with pytest.raises(ConfigError):
        with_source(text, "f", store, {"path": "/new"})


def test_a_source_of_a_list_in_a_line_is_taken_out_by_hand() -> None:
    with pytest.raises(ConfigError, match="f:15"):
        without_source(MINE, "f", "work", 0)


@pytest.mark.parametrize(
    "text", ["no", "on", "2026-01-02", "1e3", "0o7", "~", "a: b # c", '"', "\\", "ü\u202e", "a\x85\u2028", "日本"]
)
def test_a_name_is_read_as_the_text_that_it_is(text: str) -> None:
    assert yaml.safe_load(f"a: {quoted(text)}") == {"a": text}
    with pytest.raises(ConfigError):
        quoted("a\udc80")


def test_replicas_stay_as_they_are_written() -> None:
    text = MINE.replace(
        "        embedder: {type: builtin}\n", "        replicas:  # two\n            b: {type: memory}  # one\n"
    )
    changed = with_source(text, "file", "notes", {"path": "/more"})
    assert [line for line in ndiff(text.splitlines(), changed.splitlines()) if line[0] in "-+?"] == [
        '+         - path: "/more"'
    ]
    assert list(parse(changed, "file").stores["notes"].replicas) == ["b"]
