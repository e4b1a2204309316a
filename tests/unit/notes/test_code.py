"""Code: along its definitions where there is a grammar, between paragraphs where there is none."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vragd.notes.chunk import MAX_CHARS, read_note, version_of
from vragd.notes.languages import GRAMMARS, PLAIN, parser
from vragd.notes.model import Note, NotIndexable
from vragd.notes.outline import outline, paragraphs
from vragd.notes.readers.code import MAX_PARSED, outline_of

needs_grammars = pytest.mark.skipif(find_spec("tree_sitter") is None, reason="needs pip install 'vragd[code]'")
LONG = "the quick brown fox jumps over the lazy dog and does not look back "


def code(text: str, suffix: str = ".py") -> Note:
    data = text.encode()
    return read_note(data, "thing", suffix, found=outline_of(data, suffix))


def body(indent: str, n: int, ending: str = "") -> str:
    return "".join(f"{indent}x{i} = '{LONG}'{ending}\n" for i in range(n))


def texts(note: Note) -> list[str]:
    return [line.strip() for chunk in note.chunks for line in chunk.text.split("\n") if line.strip()]


PYTHON = f"""import os

# -- shapes ----

@dataclass
class Shape:
    \"\"\"What has an area.\"\"\"

    # of the square
    def area(self):
{body("        ", 9)}
    def name(self):
{body("        ", 8)}

def alone():
{body("    ", 7)}"""


@needs_grammars
def test_a_chunk_is_a_definition_below_what_is_around_it() -> None:
    found = [(chunk.heading, chunk.lines) for chunk in code(PYTHON).chunks]
    assert found == [(("Shape", "area"), (1, 19)), (("Shape", "name"), (21, 29)), (("alone",), (32, 39))]


@needs_grammars
@pytest.mark.parametrize(
    ("suffix", "text", "heading"),
    [
        (".js", "export const go = async () => {\nBODY};\n", ("go",)),
        (".tsx", "export class Page {\n  render() {\nBODY}\n}\n", ("Page", "render")),
        (".ts", "namespace Net {\nexport function send() {\nBODY}\n}\n", ("Net", "send")),
        (".go", "package a\nfunc (s *Server) Handle() {\nBODY}\n", ("Server.Handle",)),
        (".rs", "impl Display for Point {\n    fn fmt(&self) {\nBODY}\n}\n", ("Display for Point", "fmt")),
        (".java", "class Shop {\n  int sell() {\nBODY}\n}\n", ("Shop", "sell")),
        (".c", "static int *\nlook_up(int a) {\nBODY}\n", ("look_up",)),
        (".cpp", "namespace geo {\nvoid Map::draw() {\nBODY}\n}\n", ("geo", "Map::draw")),
        (".cs", "namespace A {\nclass B {\nvoid C() {\nBODY}\n}\n}\n", ("A", "B", "C")),
        (".rb", "module A\nclass B\ndef c\nBODYend\nend\nend\n", ("A", "B", "c")),
        (".php", "<?php\nclass B {\nfunction c() {\nBODY}\n}\n", ("B", "c")),
        (".sh", "deploy() {\nBODY}\n", ("deploy",)),
    ],
)
def test_definitions_of_every_language_with_a_grammar_are_headings(
    suffix: str, text: str, heading: tuple[str, ...]
) -> None:
    sigil, ending = {".php": ("$", ";"), ".rb": ("", ""), ".sh": ("", "")}.get(suffix, ("", ";"))
    lines = "".join(
        f"  {sigil}x{i}='{LONG}'{ending}\n" if suffix != ".c" else f'  x{i} = "{LONG}";\n' for i in range(30)
    )
    note = code(text.replace("BODY", lines), suffix)
    assert {chunk.heading for chunk in note.chunks} == {heading}
    assert texts(note) == [line.strip() for line in text.replace("BODY", lines).split("\n") if line.strip()]


@given(st.sampled_from(sorted({".kt", ".yaml", *GRAMMARS})), st.data())
def test_every_line_is_in_one_chunk_in_order(suffix: str, data: st.DataObject) -> None:
    pieces = ["def f(x):", "class A {", "}", "{", "(", ")", "  ", "end", "if x", "'", '"', "# c", "/* c", "*/",
              "a = 1;", "func f() {", "fn g() {", "@x", "<<E", LONG * 4, "é", "    return"]  # fmt: skip
    lines = data.draw(st.lists(st.lists(st.sampled_from(pieces), max_size=3).map(" ".join), max_size=60))
    note = code("\n".join(lines), suffix)
    said = [line.strip() for line in lines if any(map(str.isalnum, line))]
    assert [line for line in texts(note) if any(map(str.isalnum, line))] == said
    assert all(len(chunk.text) <= MAX_CHARS for chunk in note.chunks)
    written = [line.rstrip() for line in "\n".join(lines).split("\n")]
    for chunk in note.chunks:
        assert "\n".join(written[chunk.lines[0] - 1 : chunk.lines[1]]).strip("\n") == chunk.text


@needs_grammars
def test_an_edit_in_a_function_leaves_the_chunks_of_others_as_they_were() -> None:
    functions = [f"def f{i}():\n{body('    ', 6 + i % 17)}\n" for i in range(40)]
    before = {chunk.embed_text for chunk in code("".join(functions)).chunks}
    functions[20] = functions[20].replace("lazy", "eager", 1)
    after = {chunk.embed_text for chunk in code("".join(functions)).chunks}
    assert len(after - before) == 1


@needs_grammars
def test_what_only_moves_to_the_right_is_embedded_as_before() -> None:
    function = f"def f():\n{body('    ', 12)}"
    deeper = "class A:\n" + body("    ", 9) + "".join(f"    {line}\n" for line in function.split("\n"))
    assert code(function).chunks[0].embed_text in {chunk.embed_text for chunk in code(deeper).chunks}


@needs_grammars
def test_a_program_as_long_as_a_program_writes_is_not_parsed() -> None:
    note = code(("x = [\n" + f"    '{LONG}',\n" * 10 + "]\n\n") * (MAX_PARSED // 700))
    assert note.chunks
    assert {chunk.heading for chunk in note.chunks} == {()}


def test_without_a_grammar_code_is_cut_between_paragraphs() -> None:
    text = "\n\n".join(f"key{i}:\n  - {LONG * 5}" for i in range(12))
    chunks = code(text, ".yaml").chunks
    assert len(chunks) > 2
    assert all(chunk.text.startswith("key") for chunk in chunks)
    assert {chunk.heading for chunk in chunks} == {()}


def test_a_comment_of_code_is_no_heading() -> None:
    assert code("# of the kitchen\ncolour: blue\n", ".yaml").chunks[0].heading == ()


def test_code_goes_by_the_whole_name_of_its_file() -> None:
    note = code("a: 1", ".yaml")
    assert (note.title, note.names) == ("thing.yaml", ("thing", "thing.yaml"))


def test_a_file_of_code_may_opt_out_as_a_note_does() -> None:
    with pytest.raises(NotIndexable, match="opted_out"):
        code("---\nvragd: false\n---\na: 1\n", ".yaml")


def test_the_reader_of_a_language_whose_grammar_is_missing_has_another_version() -> None:
    assert {version_of(suffix) for suffix in PLAIN} == {"code-3"}
    for suffix, (package, _) in GRAMMARS.items():
        missing = [name for name in ("tree_sitter", package) if find_spec(name) is None]
        assert version_of(suffix) == (f"code-3 without {missing[0]}" if missing else "code-3")


@needs_grammars
@pytest.mark.parametrize("suffix", sorted(GRAMMARS))
def test_an_outline_of_nothing_is_nothing(suffix: str) -> None:
    assert [part.parts for part in outline(parser(suffix).parse(b"").root_node, [""])] == [[(0, 0)]]
    assert [part.parts for part in paragraphs([""])] == [[(0, 0)]]


@needs_grammars
def test_machine_text_in_code_is_left_out_and_lines_stay_where_they_are() -> None:
    encoded = ("aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQgdGV4dCB0aGF0IG5vYm9keSByZWFkcyBhdCBhbGwgZXZlcg1" * 3)[:200]
    note = code(f"x = 1\n{encoded}\ny = 2\n")
    assert [left.reason for left in note.left_out] == ["machine_text"]
    assert (note.chunks[0].lines, note.chunks[0].text) == ((1, 3), "x = 1\n\ny = 2")


@needs_grammars
@pytest.mark.parametrize(
    ("suffix", "text", "headings"),
    [
        (".c", "struct a\n*one(\nstruct b *c);\nBODY", [()]),  # a mention is no definition
        (".js", "const n = {\na: 1,\nb: 2\n};\nBODY", [()]),
        (".java", "import x;\nclass A { int m() {\nBODY}\n}\n", [(), ("A", "m")]),
        (".rs", "impl Point {\nfn a() {\nBODY}\n}\n", [("Point", "a")]),
        (".py", "{\nBODY}\ndef f():\n    x = 1\n", [(), ("f",)]),
        (".js", "function a() {\nBODY} function b() {\nBODY}\n", [("a",), ()]),
    ],
)
def test_what_is_no_definition_is_no_heading(suffix: str, text: str, headings: list[tuple[str, ...]]) -> None:
    body = "".join(f"  x{i} = '{LONG}';\n" for i in range(30))
    found = code(text.replace("BODY", body), suffix).chunks
    assert {chunk.heading for chunk in found} <= set(headings), [chunk.heading for chunk in found]


@needs_grammars
def test_brackets_before_the_first_word_and_behind_the_last_go_with_what_is_beside_them() -> None:
    lines = "".join(f"  x{i} = '{LONG}';\n" for i in range(30))
    text = "{\n" * 100 + "function go() {\n" + lines + "}\n" * 101
    chunks = code(text, ".js").chunks
    assert chunks[0].text.startswith("{\n{\n{\n")
    assert chunks[-1].text.endswith("}\n}\n}\n}")
    assert (chunks[0].lines[0], chunks[-1].lines[1]) == (1, text.count("\n"))
    assert {chunk.heading for chunk in chunks} == {("go",)}
