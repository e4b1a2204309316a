"""The picker on a terminal, by prompt_toolkit, which is an extra: nothing but `find` imports this."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, DynamicContainer, FormattedTextControl, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from vragd.cli.page import DIM, HIT, PLACE, TITLE, Page, Piece
from vragd.cli.picking import Answer, Asker, Picking

STYLES = {HIT: "class:hit", TITLE: "class:title", DIM: "class:dim", PLACE: "class:place"}
COLOURS = {"hit": "bold ansired", "title": "bold", "dim": "ansigray", "place": "ansicyan", "chosen": "reverse"}
PLAIN = {"hit": "bold underline", "title": "bold", "chosen": "reverse"}
BESIDE_FROM = 110
"""Columns from which the preview stands beside the list; below it does."""


class Picked(NamedTuple):
    """The hit of an answer that was chosen, by its number from 1, and whether it is to be edited."""

    answer: Answer
    number: int
    edits: bool


def run(ask: Callable[[str], Answer], text: str, page: Page) -> Picked | None:
    """Let people pick one of what `ask` answers to what they type; None if they leave. Takes the whole terminal."""
    picking = Picking(text)
    buffer = Buffer(multiline=False, document=Document(text, len(text)))
    screen = Screen(picking, buffer)
    application: Application[Picked | None] = Application(
        layout=Layout(screen.layout(), focused_element=buffer), key_bindings=screen.keys(), full_screen=True,
        style=Style.from_dict(COLOURS if page.colours else PLAIN), mouse_support=False,
        color_depth=None if page.colours else ColorDepth.DEPTH_1_BIT,
    )  # fmt: skip
    application.ttimeoutlen = 0.05  # Esc is a key of its own here
    asker = Asker(picking, ask, application.invalidate)

    def typed(_: Buffer) -> None:
        picking.type(buffer.text)
        screen.scrolled = 0
        asker.typed()

    buffer.on_text_changed += typed
    asker.start()
    try:
        return application.run()
    finally:
        asker.stop()


class Screen:
    """What is where, and what the keys do."""

    def __init__(self, picking: Picking, buffer: Buffer) -> None:
        self._picking, self._buffer = picking, buffer
        self.scrolled = 0

    def layout(self) -> HSplit:
        """The question, how it is, the list and the preview."""
        question = Window(
            BufferControl(self._buffer, input_processors=[BeforeInput("> ", style="class:title")]), height=1
        )
        says = Window(FormattedTextControl(lambda: [("class:dim", self._picking.says())]), height=1)
        self._list = Window(FormattedTextControl(self._rows), wrap_lines=False)
        self._shown = Window(
            FormattedTextControl(self._preview), wrap_lines=True, get_vertical_scroll=lambda _: self.scrolled,
        )  # fmt: skip
        self._list.height, self._shown.height = Dimension(weight=2), Dimension(weight=3)
        beside = VSplit([self._list, Window(width=1, char="│", style="class:dim"), self._shown])
        below = HSplit([self._list, Window(height=1, char="─", style="class:dim"), self._shown])
        return HSplit([question, says, DynamicContainer(lambda: beside if columns() >= BESIDE_FROM else below)])

    def _rows(self) -> StyleAndTextTuples:
        info = self._list.render_info
        height = info.window_height if info else get_app().output.get_size().rows
        fragments: StyleAndTextTuples = []
        for is_chosen, pieces in self._picking.rows(height):
            fragments.append(("class:chosen" if is_chosen else "", "> " if is_chosen else "  "))
            fragments += [(f"{_style(piece)} {'class:chosen' if is_chosen else ''}", piece.text) for piece in pieces]
            fragments.append(("", "\n"))
        return fragments[:-1]

    def _preview(self) -> StyleAndTextTuples:
        fragments: StyleAndTextTuples = []
        info = self._shown.render_info
        width = info.window_width if info else columns()
        for pieces in self._picking.preview(width):
            fragments += [*((_style(piece), piece.text) for piece in pieces), ("", "\n")]
        return fragments

    def keys(self) -> KeyBindings:
        """What is typed beside the question."""
        keys = KeyBindings()

        def leave(event: KeyPressEvent) -> None:
            event.app.exit(result=None)

        def move(by: int) -> Callable[[KeyPressEvent], None]:
            def moved(_: KeyPressEvent) -> None:
                self._picking.move(by)
                self.scrolled = 0

            return moved

        def scroll(by: int) -> Callable[[KeyPressEvent], None]:
            def moved(_: KeyPressEvent) -> None:
                self.scrolled = max(0, self.scrolled + by)

            return moved

        def pick(*, edits: bool) -> Callable[[KeyPressEvent], None]:
            def picked(event: KeyPressEvent) -> None:
                if self._picking.chosen is not None:
                    event.app.exit(result=Picked(self._picking.answer, self._picking.number, edits))

            return picked

        for names, does in (
            (("escape", "c-c", "c-d", "c-g"), leave), (("up", "c-p"), move(-1)), (("down", "c-n"), move(1)),
            (("pageup",), scroll(-5)), (("pagedown",), scroll(5)), (("enter",), pick(edits=False)),
            (("c-e",), pick(edits=True)),
        ):  # fmt: skip
            for name in names:
                keys.add(name, eager=True)(does)
        return keys


def _style(piece: Piece) -> str:
    return STYLES.get(piece.style, "")


def columns() -> int:
    """How wide the terminal is now."""
    return get_app().output.get_size().columns
