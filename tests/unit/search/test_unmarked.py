"""What is left of Markdown where it is shown: the words, in the note's spelling, and no marks of formatting."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.depth import examples
from vragd.search.unmarked import unmarked, without_emphasis


def shown(text: str) -> str:
    return "\n".join(unmarked(text.split("\n")))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("re**mark**able and fan***tas***tic", "remarkable and fantastic"),
        ("ab*so*lutely", "absolutely"),
        ("**one *two* three** and *four **five** six*", "one two three and four five six"),
        ("***all of it*** **just *this***", "all of it just this"),
        ("**[[Kite|a kite]]**s", "a kites"),
        ("~~gone **for** good~~ ==lit *up*== ==a==b", "gone for good lit up ab"),
        ("中文**强调。**中文 《**书**》", "中文强调。中文 《书》"),
        ("**over\nlines** and __two\n*in*__", "over\nlines and two\nin"),
        ("__init__ but snake_case_name and _under_", "init but snake_case_name and under"),
        ("2*3*4 = 24, x**2 + y**2, 5 * 6", "2*3*4 = 24, x**2 + y**2, 5 * 6"),
        ("f(*args, **kwargs)\n\nnever**closed", "f(*args, **kwargs)\n\nnever**closed"),
        ("==> and a == b, ~ about ~5", "==> and a == b, ~ about ~5"),
        (r"\*no\* emphasis, C:\\x, \_here\_", r"*no* emphasis, C:\\x, _here_"),
        ("`a**b**c` and ``x ` *y*``", "a**b**c and x ` *y*"),
        ("$a_1 * b*c * d_2$, $$**x**$$ for *it*, $5 and $6", "$a_1 * b*c * d_2$, $$**x**$$ for it, $5 and $6"),
        ("https://x.y/_a_/*b* and *more*", "https://x.y/_a_/*b* and more"),
        (
            "- *open\n- closed* elsewhere\n\nand *here\n\nnot* there",
            "*open\nclosed* elsewhere\n\nand *here\n\nnot* there",
        ),
        ("****", ""),
        ("a ** b", "a ** b"),
        ("a ^[note ^[in **it**] and `]`] b", "a [note [in it] and ]] b"),
        ("^[see [this](x.md)] ^[so](far) [a](b)", "[see this] [so](far) a"),
        ("\x001\x00 *x*", "1 x"),
        ("see [the `at`\nmethod](https://a.org/b(c)) and [d\n\ne](f)", "see the at\nmethod and [d\n\ne](f)"),
    ],
)
def test_marks_of_emphasis_are_left_out_wherever_they_mean_it(text: str, left: str) -> None:
    assert shown(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see\n```py\nx = a**b + c**d  # [[x]]\n```\n*so*", "see\n\nx = a**b + c**d  # [[x]]\n\nso"),
        ("> ```\n> *a*\n> ```\n> *b*", "\n*a*\n\nb"),
        ("$$\n*a* [[b]]\n$$\n*c*", "\n*a* [[b]]\n\nc"),
        ("~~~\n```\n*a*\n~~~\n```sh\n*b*", "\n```\n*a*\n\n\n*b*"),
        ("*is* it code?\n```\nor *this*", "is it code?\n\nor this"),
    ],
)
def test_code_over_lines_is_shown_as_it_is_written(text: str, left: str) -> None:
    assert shown(text) == left


def by_commonmark(text: str) -> str:
    tokens = MarkdownIt("commonmark", {"html": False}).parseInline(text)[0].children or []
    return "".join("\n" if token.type == "softbreak" else token.content for token in tokens)


@examples(150, 500)
@given(st.lists(st.sampled_from(["a", "b", "*", "**", "***"]), max_size=14).map("".join))
def test_within_a_word_marks_are_paired_as_commonmark_pairs_them(text: str) -> None:
    assert without_emphasis(f"x{text}") == by_commonmark(f"x{text}")


@examples(150, 500)
@given(st.lists(st.sampled_from(["a", "b", " ", "*", "**", "_", "__"]), max_size=14).map("".join))
def test_nothing_but_marks_is_left_out(text: str) -> None:
    bare = str.maketrans("", "", "*_")
    assert without_emphasis(f"x {text}").translate(bare) == f"x {text}".translate(bare)


@examples(150, 5_000)
@given(st.text("ab 1*_~=`$\\[]()^|#>-\n\0", max_size=80))
def test_any_text_gives_as_many_lines_and_no_other_words(text: str) -> None:
    lines = unmarked(text.split("\n"))
    assert len(lines) == text.count("\n") + 1
    assert "\0" not in "".join(lines)


@pytest.mark.parametrize(
    "text", ["*a " * 1_300, "a*" * 2_000, "**a* " * 800, "*a_b" * 1_000, "`" * 4_000, "$a " * 1_300]
)
def test_marks_without_end_take_no_time(text: str) -> None:
    began = time.process_time()
    unmarked([text])
    assert time.process_time() - began < 0.5
