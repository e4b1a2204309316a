"""
An assistant's file with our entry in it, and without it again.

Before the first change a copy is put beside the file; where there was none, a note that says so (`_made`). Taking the
entry out brings that copy back if nothing else was changed meanwhile, and else takes out the entry alone. What cannot
be read is not touched.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from vragd.errors import ConfigError, DataDirError
from vragd.mcp.install import jsonc, toml
from vragd.mcp.install.clients import Entry, Kind, value_at
from vragd.mcp.install.jsonc import Unreadable
from vragd.system.files import write_atomic

BACKUP = ".before-vragd"
_BOM = "\ufeff"
_MADE = re.compile(r"vragd made this file, and of the folders it is in (\d+)\n")


class Edited:
    """A file as it was read. `path` is what it is called, `real` what a symbolic link leads to."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path, self.real = path, Path(os.path.realpath(path))
        self._form: ModuleType = jsonc if kind == "json" else toml
        self._empty = "{}\n" if kind == "json" else ""
        self.text = self._read(self.real)
        self.backup = self.real.with_name(self.real.name + BACKUP)

    @property
    def says(self) -> Any:
        """What it says. Raises ConfigError."""
        return self._understood(lambda: self._form.value_of(self._body()))

    def has(self, keys: Sequence[str]) -> bool:
        """Whether the entry is there. Raises ConfigError."""
        return value_at(keys, self.says) is not None

    def install(self, keys: Sequence[str], entry: Entry) -> bool:
        """Put the entry in; False if it is there already. Raises ConfigError, DataDirError."""
        before = self.says
        had = value_at(keys, before)
        if had == entry:
            return False
        old, _ = self._copy()
        is_ours = old is not None and had is not None and self._only_ours(old, keys, had)
        base = self._body_of(old) if is_ours and old is not None else self._body()  # so `undo` knows it again
        said = self._understood(lambda: self._form.put(base, keys, entry))
        stays = had if self._form is toml and had and "command" in had else {}
        self._check(said, _with(before, keys, {**stays, **entry}))
        self._refuse_changed()
        if had is None or not self.backup.exists():
            self._write(self.backup, _made(self.real) if self.text is None else self.text)
        self._write(self.real, self._bom() + said)
        return True

    def undo(self, keys: Sequence[str]) -> bool:
        """Take the entry out, or put back the one that was there before; False if there is none. Raises as install."""
        before = self.says
        if self.text is None or (entry := self._understood(lambda: self._form.entry_of(self._body(), keys))) is None:
            return False
        old, made = self._copy()
        if old is not None and self._only_ours(old, keys, value_at(keys, before)):
            said: str | None = None if made else old
        else:
            had = None if old is None else self._had(old, keys)
            if had is None:
                body = self._understood(lambda: self._form.removed(self._body(), keys))
                expected = _without(before, keys)
                self._check(body, expected, {key: value for key, value in expected.items() if key != keys[0] or value})
            else:
                body = self._form.put_text(self._body(), keys, had)
                self._understood(lambda: self._form.value_of(body))
            said = None if made and _is_bare(self._form.value_of(body)) else self._bom() + body
        self._refuse_changed()
        if said is None:
            self.real.unlink()
        else:
            self._write(self.real, said)
        self.backup.unlink(missing_ok=True)
        if said is None and made:
            self._leave(int(made[1]))
        return entry is not None

    def _copy(self) -> tuple[str | None, re.Match[str] | None]:
        """What the file was before us, None if that is not known; if there was none, how many folders are ours."""
        said = self._read(self.backup) if self.backup.exists() else None
        made = _MADE.fullmatch(said or "")
        return "" if made else said, made

    def _had(self, old: str, keys: Sequence[str]) -> str | None:
        """The entry that was there before us, as it was written. Raises ConfigError."""
        try:
            found: str | None = self._form.entry_of(self._body_of(old), keys)
        except Unreadable as error:
            raise self._refused(f"what it was before cannot be read: {self.backup.name}: {error}") from None
        return found

    def _leave(self, n_folders: int) -> None:
        """Remove as many folders above the file as we made, where nothing else is in them."""
        with suppress(OSError):
            for folder in self.real.parents[:n_folders]:
                folder.rmdir()

    def _only_ours(self, old: str, keys: Sequence[str], entry: Any) -> bool:
        """Whether the file is what the copy becomes by the entry alone."""
        try:
            return bool(self._form.put(self._body_of(old), keys, entry) == self._body())
        except Unreadable:
            return False

    def _body(self) -> str:
        return self._body_of(self.text or "")

    def _body_of(self, text: str) -> str:
        body = text.removeprefix(_BOM)
        return body if body.strip() else self._empty

    def _bom(self) -> str:
        return _BOM if (self.text or "").startswith(_BOM) else ""

    def _read(self, path: Path) -> str | None:
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a device would be replaced by a file, a pipe never ends
                raise self._refused("it is no ordinary file")
            return path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise self._refused(f"{'it' if path == self.real else path.name} is not UTF-8") from None
        except OSError as error:
            raise DataDirError(f"cannot read {path}: {error.strerror}") from None

    def _write(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = self.real.stat().st_mode & 0o777 if self.real.exists() else 0o600
            write_atomic(path, [text.encode("utf-8")])
            path.chmod(mode)
        except OSError as error:
            raise DataDirError(f"cannot write {path}: {error.strerror}") from None

    def _refuse_changed(self) -> None:
        """Raises ConfigError where somebody wrote the file since it was read: an assistant may do so while it runs."""
        if self._read(self.real) != self.text:
            raise ConfigError(f"{self.path} was changed just now, and left as it is", hint="try again")

    def _understood(self, does: Callable[[], Any]) -> Any:
        try:
            return does()
        except Unreadable as error:
            raise self._refused(str(error)) from None

    def _check(self, text: str, *expected: Any) -> None:
        """Nothing is written that does not say what it should."""
        try:
            found = self._form.value_of(text)
        except Unreadable as error:
            raise self._refused(f"the entry cannot be put in: {error}") from None
        if found not in expected:
            raise self._refused("the entry cannot be put in or taken out without changing something else")

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self.path} was left as it is: {why}", hint="mend it, or do it by hand: vragd mcp install CLIENT --print"
        )


def _made(file: Path) -> str:
    """What is beside a file that was not there before us, instead of a copy of it: an empty one is of an empty file."""
    return f"vragd made this file, and of the folders it is in {sum(not one.exists() for one in file.parents)}\n"


def _with(says: Any, keys: Sequence[str], entry: Any) -> Any:
    if not keys:
        return entry
    inner = says.get(keys[0])
    return {**says, keys[0]: _with(inner if isinstance(inner, dict) else {}, keys[1:], entry)}


def _without(says: Any, keys: Sequence[str]) -> Any:
    if len(keys) == 1:
        return {key: value for key, value in says.items() if key != keys[0]}
    inner = _without(says[keys[0]], keys[1:])
    return {**says, keys[0]: inner}


def _is_bare(says: Any) -> bool:
    """Whether nothing is said but for objects without anything."""
    return isinstance(says, dict) and all(_is_bare(value) for value in says.values())
