"""When two names are the same to a person: composed or decomposed, and in any case where case does not count."""

from __future__ import annotations

import unicodedata


def same_name_key(name: str, *, ignore_case: bool = False) -> str:
    """
    Equal for names that are one name as text, however their letters are composed; paths likewise, part by part.

    With `ignore_case` also in whatever case they are written (Unicode's full folding: `STRASSE` is `straße`).
    Bytes that are no text, as the system's names may hold, stay as they are.
    """
    if name.isascii():  # nearly all are, and a scan asks of each
        return name.lower() if ignore_case else name
    if ignore_case:
        name = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", name)
