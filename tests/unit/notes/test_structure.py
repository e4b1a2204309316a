"""Where headings and tasks of Markdown stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.notes.blocks import blocks_of
from vragd.notes.structure import Heading, Task, headings_of, tasks_of

TEXT = """---
title: x
# no heading: a remark
---
Before
# Top #
- [ ] open *one*
\t- [x] below it   \r
## Deep
> - [-] in a quote

Under
===
```
# code
- [ ] code
```
> # in a quote
%%
# comment
- [ ] comment
%%
##
1. [?] numbered
   - [ ]
#### Far
"""


def test_headings_have_their_line_in_the_file_and_what_they_stand_under() -> None:
    assert headings_of(TEXT) == [
        Heading(6, 1, ("Top",)),
        Heading(9, 2, ("Top", "Deep")),
        Heading(12, 1, ("Under",)),
        Heading(23, 2, ("Under", "")),
        Heading(26, 4, ("Under", "", "Far")),
    ]
    assert headings_of("") == headings_of("text\n- # in a list") == []


def test_tasks_have_their_state_text_and_headings() -> None:
    assert tasks_of(TEXT) == [
        Task(7, " ", "open *one*", ("Top",)),
        Task(8, "x", "below it", ("Top",)),
        Task(10, "-", "in a quote", ("Top", "Deep")),
        Task(24, "?", "numbered", ("Under", "")),
        Task(25, " ", "", ("Under", "")),
    ]
    assert tasks_of("- [ ] first") == [Task(1, " ", "first", ())]
    assert tasks_of("# [ ] no task\n[x] neither") == tasks_of("no brackets") == []


@given(
    st.lists(st.sampled_from(["- ", "1. ", "\t", "* ", "> ", "[ ]", "[x] ", "[/]", " ", "\n", "a", "```", "-", "# "]))
)
@examples(150, 3_000)
def test_no_task_is_missed_for_what_texts_are_left_out_by(pieces: list[str]) -> None:
    text = "a\n" + "".join(pieces)
    found = blocks_of([line.rstrip() for line in text.split("\n")]).tasks
    assert [(task.line, task.state) for task in tasks_of(text)] == sorted((line + 1, state) for line, state, _ in found)
