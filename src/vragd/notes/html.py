"""Where CommonMark sees blocks of HTML."""

from __future__ import annotations

import re

BLANK_LINE = re.compile(r"(?!)")
"""Ends a block that a blank line ends: no line holds it."""

_HTML_ENDS = (
    (
        re.compile(r"<(?:script|pre|style|textarea)(?=[\s>]|$)", re.I),
        re.compile(r"</(?:script|pre|style|textarea)>", re.I),
    ),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<\?"), re.compile(r"\?>")),
    (re.compile(r"<![A-Za-z]"), re.compile(r">")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
)
_HTML_BLOCK = re.compile(
    r"</?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|"
    r"dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|"
    r"menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|"
    r"tr|track|ul)(?=[\s>]|/>|$)",
    re.I,
)
_ATTRIBUTE = r"(?:\s++[A-Za-z_:][\w.:-]*+(?:\s*+=\s*+(?:[^\s\"'=<>`]++|'[^']*+'|\"[^\"]*+\"))?)"
_HTML_ANY = re.compile(rf"(?:<[A-Za-z][A-Za-z0-9-]*+{_ATTRIBUTE}*+\s*+/?>|</[A-Za-z][A-Za-z0-9-]*+\s*+>)\s*+$")


def html_end(line: str, here: int, in_paragraph: bool) -> re.Pattern[str] | None:
    """What ends the block of HTML that begins at `here` in the line; None if none does."""
    for begins, ends in _HTML_ENDS:
        if begins.match(line, here):
            return ends
    if _HTML_BLOCK.match(line, here) or (not in_paragraph and _HTML_ANY.match(line, here)):
        return BLANK_LINE
    return None
