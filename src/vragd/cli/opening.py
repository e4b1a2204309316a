"""A hit in Obsidian or in an editor."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vragd.cli.render import say
from vragd.errors import UsageError, VragdError
from vragd.system.places import MACOS

PATIENCE_S = 5.0
"""How long an opener is watched: one that has not failed by then waits for what it opened."""
NO_PROGRAM = 3
"""How xdg-open(1) ends where a tool is missing that it needs to open something."""
_PLUS = re.compile(
    r"(vi|vim|nvim|gvim|mvim|vimx|view|nano|pico|emacs|emacsclient|kak|micro|mg|joe|jed|ne|gedit|neovide)"
)
_COLON = re.compile(r"(subl|sublime_text|zed|zeditor|hx|helix|atom|lapce)")
_GOTO = re.compile(r"(code|code-insiders|codium|vscodium|cursor|windsurf|positron)")
_LINE = re.compile(r"(kate|kwrite|mate|idea|pycharm|webstorm|goland|clion|rubymine|phpstorm|charm)")
_NO_TEXT = (".pdf", ".docx", ".pptx", ".xlsx")


def chosen(answer: Mapping[str, Any], number: int, first: int) -> Mapping[str, Any]:
    """The hit that is printed with this number, where the first has `first`. Raises UsageError where there is none."""
    hits: Sequence[Mapping[str, Any]] = answer["hits"]
    if not first <= number < first + len(hits):
        there = f"hits {first} to {first + len(hits) - 1}" if len(hits) > 1 else "one hit" if hits else "no hits"
        raise UsageError(f"there is no hit {number}", hint=f"the question has {there}")
    hit = hits[number - first]
    if not hit.get("file"):
        hint = "vragd get ID prints what is known of it" if hit.get("id") else "its text is in the answer"
        raise UsageError(f"hit {number} is in no file of this machine", hint=hint)
    return hit


def open_hit(hit: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> str:
    """Have the desktop open the hit; the link it was told. Raises VragdError where it cannot."""
    link: str = hit["uri"] or Path(hit["file"]).as_uri()
    opener, status = open_link(link, environ)
    if status:
        what = "obsidian: links" if link.startswith("obsidian:") else "such files"
        needs = "Obsidian, with a desktop" if link.startswith("obsidian:") else "a desktop with a program for them"
        hint = f"install {needs}; else --edit N, or open {hit['file']} yourself"
        raise VragdError(why_not(what, opener, status), hint=hint)
    return link


def why_not(what: str, opener: str, status: int) -> str:
    """Why `what` was not opened, where `opener` ended with this status; in words for those that xdg-open documents."""
    why = f"no program on this machine opens {what}" if status == NO_PROGRAM else f"{what} could not be opened"
    return f"{why} ({opener} ended with {status})"


def open_link(link: str, environ: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Have the desktop open a link; who was asked, and how that ended. Raises VragdError where there is nobody."""
    import shutil
    import subprocess

    path = environ.get("PATH")
    names = ("open",) if MACOS else ("wslview", "xdg-open") if "WSL_DISTRO_NAME" in environ else ("xdg-open",)
    opener = next((found for name in names if (found := shutil.which(name, path=path))), None)
    if opener is None:
        raise VragdError(f"{names[-1]} is not here, which opens links", hint=f"--edit N, or open {link} yourself")
    process = subprocess.Popen(  # noqa: S603  found by its name; the link is one argument
        [opener, link], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env=dict(environ),
    )  # fmt: skip
    try:
        status = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.returncode = status = 0  # it goes on without us
    return Path(opener).name, status


def editing(hit: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> list[str]:
    """The command that edits the hit at its line. Raises UsageError for what is no text, or without an editor."""
    import shlex
    import shutil

    file = str(hit["file"])
    if file.lower().endswith(_NO_TEXT):
        raise UsageError(f"{file} is no text to edit", hint="--open N shows it")
    asked = environ.get("VISUAL") or environ.get("EDITOR")
    if not asked:
        path = environ.get("PATH")
        asked = next((name for name in ("sensible-editor", "nano", "vi") if shutil.which(name, path=path)), "")
        if asked:
            say(f"note: neither VISUAL nor EDITOR is set, so {asked} edits; export EDITOR=nano, say, sets another")
    try:
        words = shlex.split(asked)
    except ValueError:
        raise UsageError(f"$VISUAL or $EDITOR has a quote that is not closed: {asked}", hint="mend it") from None
    if not words:
        raise UsageError("there is no editor", hint="set VISUAL or EDITOR to the one you use")
    return [*words, *_at(Path(words[0]).name, file, line_of(hit))]


def line_of(hit: Mapping[str, Any]) -> int:
    """The line of the first word that matched, as far as the hit tells; else where its excerpt or passage begins."""
    first, last = hit.get("excerpt_lines", (0, 0))
    begins, ends = hit["lines"]
    rows = hit.get("text", "").split("\n")
    if first and hit.get("spans") and len(rows) == ends - begins + 1:
        start, end = hit["spans"][0]
        word = hit["excerpt"][start:end]
        return next((n for n in range(first, last + 1) if word in rows[n - begins]), int(first))
    return max(1, int(first or begins))


def _at(editor: str, file: str, line: int) -> list[str]:
    """How an editor is told a place; of one that is not known, the file."""
    if _PLUS.fullmatch(editor) or editor == "sensible-editor":
        return [f"+{line}", file]
    if _COLON.fullmatch(editor):
        return [f"{file}:{line}"]
    if _GOTO.fullmatch(editor):
        return ["--goto", f"{file}:{line}"]
    if _LINE.fullmatch(editor):
        return ["--line", str(line), file]
    return [file]


def edit(hit: Mapping[str, Any]) -> int:
    """Become the editor. Raises UsageError where it cannot be run."""
    command = editing(hit)
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606  the user's own editor, and what it takes from the terminal is its own
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"cannot run {command[0]}: {reason}", hint="set VISUAL or EDITOR to the one you use") from None
