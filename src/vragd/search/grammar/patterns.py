"""Where a pattern between slashes ends, and whether it is one of JavaScript's."""

from __future__ import annotations

from vragd.vault.javascript.parse import NotJavaScript, Parser


def ends(text: str) -> list[int]:
    """
    For each index of `text`, where a pattern whose inside begins there has its closing slash; -1 without one.

    As in JavaScript a slash after a backslash, or in a class of characters, closes nothing. Takes linear time.
    """
    outside, inside = [-1] * (len(text) + 2), [-1] * (len(text) + 2)
    for at in range(len(text) - 1, -1, -1):
        char = text[at]
        step = 2 if char == "\\" else 1
        outside[at] = at if char == "/" else inside[at + 1] if char == "[" else outside[at + step]
        inside[at] = outside[at + 1] if char == "]" else inside[at + step]
    return outside


def problem(source: str) -> str:
    """Why `source` is no pattern, neither with nor without the flag `u`; empty for one that is."""
    found = ""
    for unicode in (False, True):
        try:
            Parser(source, unicode=unicode).parse()
        except NotJavaScript as error:
            found = found or str(error)
        except RecursionError:
            return "nested too deeply"
        except ValueError:  # more digits than a number may have
            found = found or "a number is too long"
        else:
            return ""
    return found
