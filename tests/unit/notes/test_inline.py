"""Marks within lines: links, tags, comments, code, formulas, and what is embedded without them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.notes.chunk import read_note
from vragd.notes.inline import Inline
from vragd.notes.model import Link, Note
from vragd.notes.page import embedded


def note(text: str) -> Note:
    return read_note(text.encode(), "n")


def links(text: str) -> list[tuple[str, str, str, bool]]:
    return [(link.target, link.subpath, link.alias, link.embed) for link in note(text).marks.links]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[[a]]", [("a", "", "", False)]),
        ("![[a#b#c|d]]", [("a", "b#c", "d", True)]),
        ("[[a|b|c]]", [("a", "", "b|c", False)]),
        ("[[#h]] [[#^id]]", [("", "h", "", False), ("", "^id", "", False)]),
        ("[[a\nb]]", []),
        ("[[]] [[ ]]", []),
        ("[[A [[B]] C]]", [("B", "", "", False)]),
        ("[[Sq]uare]]", [("Sq]uare", "", "", False)]),
        ("[a](b%20c.md#d%20e)", [("b c.md", "d e", "a", False)]),
        ("[a](<b c.md>) [a](b.md 'title')", [("b c.md", "", "a", False), ("b.md", "", "a", False)]),
        ("[a](b c.md)", []),
        ("[a](b(1).md)", [("b(1).md", "", "a", False)]),
        ("[![x](i.png)](b.md)", [("i.png", "", "x", True), ("b.md", "", "![x](i.png)", False)]),
        ("[a](https://x.y) [a](mailto:x@y) [a](//x.y) <https://x.y>", []),
        ("[a](#here)", [("", "here", "a", False)]),
        ("^[a](b.md) ^[c ^[d [[e]]](f.md) [g](h.md)]", [("e", "", "", False), ("h.md", "", "g", False)]),
        ("`[[a]]` ``[[b]] ` `` [[c]]", [("c", "", "", False)]),
        ("` [[a]]", [("a", "", "", False)]),
        ("\\[[a]] $[[b]]$ %%[[c]]%%", [("c", "", "", False)]),
        ("a %% [b](c.md) ![[d]] `[[e]]` %%", [("c.md", "", "b", False), ("d", "", "", True)]),
        ("%%\n[b](c.md)\n```\n[[d]]\n```\n[[e]]\n%%", [("c.md", "", "b", False), ("e", "", "", False)]),
        ("    [[a]]", []),
        ("<div>\n[[a]]\n</div>", []),
        ("- [[a]]\n  - [ ] [[b]]\n> [[c]]", [(name, "", "", False) for name in "abc"]),
    ],
)
def test_a_link_is_read_as_obsidian_reads_it(text: str, found: list[tuple[str, str, str, bool]]) -> None:
    assert links(f"x\n\n{text}") == found


def test_a_picture_within_the_text_itself_is_no_link() -> None:
    picture = f"data:image/png;base64,{'aB3xK9' * 40}"
    assert links(f"![x]({picture}) [y](<{picture}>) ![z]({picture} 'title') [[a]]") == [("a", "", "", False)]


def test_a_link_knows_its_line_whatever_is_left_out_above() -> None:
    encoded = "\n".join("aB3xK9" * 12 for _ in range(5))
    text = f"---\na: 1\n---\n%%\nhidden [[c]]\n%%\n\n{encoded}\n\nHere [[a]]\n{'word ' * 900}[[b]]"
    assert [(link.target, link.line) for link in note(text).marks.links] == [("c", 5), ("a", 14), ("b", 15)]
    assert note(text).chunks[0].lines == (14, 14)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#a #b/c #d-e_f", ("a", "b/c", "d-e_f")),
        ("#A and #a", ("A",)),
        ("#2024 #y2024 #20-24", ("y2024", "20-24")),
        ("x#a (#b) /#c", ()),
        ("#a, #b. #c: #d!", ("a", "b", "c", "d")),
        ("#日本語 #été #👩‍💻 #ไทย", ("日本語", "été", "👩‍💻", "ไทย")),
        ("#標籤，其他 #a。", ("標籤", "a")),
        ("`#a` $#b$ [[x#c]] <a href='#d'> %% #e %% \\#f", ()),
        ("# heading #a", ("a",)),
        ("- #a\n> #b\n1. [ ] #c", ("a", "b", "c")),
        ("```\n#a\n```\n    #b", ()),
        ("##a #", ()),
        ("#a/ #/b", ("a", "b")),
        ("https://x.y/#a", ()),
        ("#" + "a" * 5_000, ()),
        ("#a#b #c/#d #e.#f ##g #2024#h", ("a", "b", "c", "d", "e")),
        ("x _#a_ snake_case_#b *#c*", ("a", "b")),
        ("|a|b|\n|-|-|\n|#c|x|\n|y#d|#e_f|", ("c", "e_f")),
        ("a |#b| c\n\n| #d |", ("d",)),
    ],
)
def test_a_tag_is_read_as_obsidian_reads_it(text: str, tags: tuple[str, ...]) -> None:
    assert note(f"x\n\n{text}").tags == tags


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("**bold** *it* __b__ _i_ ==h== ~~s~~", "bold it b i h s"),
        ("2*3*4 snake_case a * b __init__.py", "2*3*4 snake_case a * b init.py"),
        ("`code_x *y*`", "code_x *y*"),
        ("[[a/b#c]] [[a|b]] ![[p.png|300]]", "b c b p.png"),
        ("[text](url) ![alt](i.png)", "text alt"),
        ("> [!tip]+ Title\n> body", "Title\nbody"),
        ("- [x] done\n- [ ] open", "- done\n- open"),
        ("## Title ##", "Title ##"),
        ("Title\n---\n\ntext", "Title\ntext"),
        ("a %%b%% c<!-- d --> <b>e</b>", "a  c e"),
        ("<div>\nseen <!-- not\nthis --> <b>bold</b>\n</div>", "seen  bold"),
        ("<div>\n<!-- a <!-- b --> seen --> end\n</div>", "seen --> end"),
        ("a <!-- never closed", "a <!-- never closed"),
        ("> %%\n> hidden [[L]]\n> %%\n> seen", "seen"),
        ("text ^id", "text"),
        ("a[^1]\n\n[^1]: b^[c]", "a\n b[c]"),
        ("a^[b ^[c [[d|e]] `]` f](g) h] i", "a[b [c e ] f](g) h] i"),
        ("```py\nx = 1\n\ny\n```", "x = 1\ny"),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "| a | b |\n| 1 | 2 |"),
        ("$a_b_c$ and $$\\sum_i$$", "$a_b_c$ and $$\\sum_i$$"),
        ("a\n\n\n  \nb", "a\nb"),
        ("\\*a\\*", "\\*a\\*"),
    ],
)
def test_what_is_embedded_has_no_marks(text: str, left: str) -> None:
    assert embedded(text) == left


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("key:: value", [("key", "value")]),
        ("- Two Words:: value [x:: y] ", [("x", "y")]),  # one in brackets is all there is of a line
        ("Two Words:: a value\n1. 2nd Try:: b", [("two words", "a value"), ("2nd try", "b")]),
        (
            "**Bold Key**:: v\n\n- *slant*:: w\n- `code`:: x\n- _low_:: y\n\n~~old~~:: z",
            [("bold key", "v"), ("slant", "w"), ("code", "x"), ("low", "y"), ("old", "z")],
        ),
        ("> [!info] Title\n> **in callout**:: v\n\n> in quote:: w", [("in callout", "v"), ("in quote", "w")]),
        (
            "# In heading:: v\n\n📅 With Picture:: w\n\nПолка:: 3\n\n2026/a-b:: x",
            [("in heading", "v"), ("with picture", "w"), ("полка", "3"), ("2026/a-b", "x")],
        ),
        ("- [ ] do:: it (due:: friday)\n- [x] done:: at last", [("due", "friday")]),  # a task has those in brackets
        ("so [k::v] and (**K two**:: w)", [("k", "v"), ("k two", "w")]),
        ("[k:: [[A|b]] and [c](d)] (f:: g(x) \\) h)", [("k", "[[A|b]] and [c](d)"), ("f", "g(x) \\) h")]),
        ("some **bold** key:: v\n\n==lit==:: v\n\nwhat's this:: v\n\n[[Link]]:: v\n\n🎈:: v", []),
        ("| a:: b | c |\n|---|---|\n| [k:: v] | d:: e |", [("k", "v")]),
        ("**Whole:: line**", [("whole", "line**")]),
        ("[k:: a\nb] $x [m:: n]$ `[c:: d]` %%[e:: f]%%", []),
        ("std::vector a::b `k:: v`", []),
        ("so (k:: v) it is", [("k", "v")]),
        ("[k:: v", []),
    ],
)
def test_a_field_is_read_as_dataview_reads_it(text: str, fields: list[tuple[str, str]]) -> None:
    assert [(each.key, each.value) for each in note(text).marks.fields] == fields


@pytest.mark.parametrize(("text", "ids"), [("a ^b-1", ["b-1"]), ("- a\n\n^l", ["l"]), ("a ^b c", []), ("a^b", [])])
def test_a_block_id_ends_a_line(text: str, ids: list[str]) -> None:
    assert [name for name, _ in note(text).marks.block_ids] == ids


def test_marks_below_a_tab_and_in_a_quote_keep_their_columns() -> None:
    found = note("- a\n\t- [ ] do *it*\n> -\t[x] done")
    assert [(task.state, task.text, task.line) for task in found.marks.tasks] == [(" ", "do *it*", 2), ("x", "done", 3)]
    assert found.chunks[0].embed_text == "- a\n\t- do it\n-\tdone"


def test_a_link_is_data() -> None:
    assert note("see [[a#^b|c]]").marks.links == (Link("a", 1, "wiki", "^b", "c"),)


@examples(150, 300)
@given(st.text("[]()!|#^`$%*_=~<>-a: \n\\/\"'.1", max_size=120))
def test_any_text_gives_edits_in_order_that_do_not_overlap(text: str) -> None:
    inline = Inline(text)
    inline.read(0, len(text))
    end = 0
    for first, last, _ in inline.found.edits:
        assert end <= first < last <= len(text)
        end = last
    read_note(text.encode(), "n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("![[a.png|100]]", "a.png"),
        ("![[a.png|Caption|100x20]]", "Caption"),
        ("| a |\n|---|\n| ![[a.png\\|Caption\\|100]] |", "| a |\n| Caption |"),
        ("![A view|50](b.png)", "A view"),
        ("![100](b.png) c", "c"),
        ("[[Price|100]]", "100"),
        ("[x|5](e.md)", "x|5"),
        ("![[a.png|in 1999]]", "in 1999"),
    ],
)
def test_the_size_of_an_image_is_no_word_and_a_number_shown_for_a_link_is(text: str, words: str) -> None:
    assert embedded(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- [x] one", "- one"),
        ("- [x]   three blanks", "- three blanks"),
        ("- [ ]\ttab", "- tab"),
        ("-\t[ ]\ttabs [[L]]", "-\ttabs L"),
        ("> - [x]\tq", "- q"),
        ("- [ ]\n- b", "-\n- b"),
    ],
)
def test_the_box_of_a_task_is_no_word_whatever_blanks_are_behind_it(text: str, words: str) -> None:
    assert embedded(text) == words
