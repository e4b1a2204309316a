"""The day in a note's name, as the format of the vault's daily notes has it: a format of Moment.js."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from unicodedata import normalize

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_SHORT = [month[:3] for month in _MONTHS]
_TOKEN = re.compile(
    r"\[([^\]]*)\]|YYYY|YY|MMMM|MMM|MM|M(?!o)|DDDD|DDD(?!o)|Do|DD|D|dddd|ddd|dd|d(?!o)|gggg|GGGG|gg|GG|ww|WW|w(?!o)|W(?!o)|"
    r"E|e|Q(?!o)|HH|hh|H|h|mm|m|ss|s|A|a|(.)",
    re.DOTALL,
)
# Nothing in these is tried in two ways: a format comes from a file, and names are matched by the thousand.
_WORD = r"[^\W\d_]++\.?+"
_READ: Mapping[str, str] = {
    "YYYY": r"(?P<year>[0-9]{4})", "YY": r"(?P<short_year>[0-9][0-9])",
    "MMMM": f"(?P<month_name>{'|'.join(_MONTHS)})", "MMM": f"(?P<month_name>{'|'.join(_SHORT)})",
    "MM": r"(?P<month>[0-9][0-9])", "M": r"(?P<month>[0-9]{1,2}+)",
    "DDDD": r"(?P<of_year>[0-9]{3})", "DDD": r"(?P<of_year>[0-9]{1,3}+)",
    "DD": r"(?P<day>[0-9][0-9])", "D": r"(?P<day>[0-9]{1,2}+)", "Do": r"(?P<day>[0-9]{1,2}+)(?:st|nd|rd|th)",
    "dddd": _WORD, "ddd": _WORD, "dd": _WORD, "A": "[ap]m", "a": "[ap]m",
}  # fmt: skip
_GROUP = re.compile(r"\?P<(\w+)>")


def day_in(path: str, form: str) -> date | None:
    """
    The day that `path`, without its ending, says in the format `form`; None if it says none.

    A format with slashes is of the path's last parts. One that leaves out the year or the day says none, nor does
    one with names of months that are not English.
    """
    pattern = _pattern(normalize("NFC", form))
    parts = normalize("NFC", path).rsplit("/", form.count("/") + 1)
    found = pattern.fullmatch("/".join(parts[-form.count("/") - 1 :])) if pattern else None
    if found is None:
        return None
    said = {name: text.lower() for name, text in found.groupdict().items() if text}
    try:
        year = int(said["year"]) if "year" in said else _full(int(said["short_year"]))
        if "of_year" in said:
            day = date(year, 1, 1) + timedelta(days=int(said["of_year"]) - 1)
            return day if day.year == year else None
        month = _SHORT.index(said["month_name"][:3]) + 1 if "month_name" in said else int(said["month"])
        return date(year, month, int(said["day"]))
    except (ValueError, OverflowError):
        return None  # 30-02-2026


def _number(width: int) -> str:
    return f"[0-9]{{{width}}}" if width > 1 else "[0-9]{1,2}+"


def _full(year: int) -> int:
    return year + (1900 if year > 68 else 2000)  # as Moment.js reads it


@lru_cache(64)
def _pattern(form: str) -> re.Pattern[str] | None:
    """What names of that format look like; None where they name no day."""
    made = ""
    for token in _TOKEN.finditer(form):
        literal = token[1] if token[1] is not None else token[2]
        one = re.escape(literal) if literal is not None else _READ.get(token[0]) or _number(len(token[0]))
        group = _GROUP.search(one)
        if group and group[0] in made:  # said twice, as the year of a folder is: the first counts, not compared
            one = one.replace(group[0], "?:", 1)
        made += one
    has = set(_GROUP.findall(made))
    whole = has & {"year", "short_year"} and ("of_year" in has or ("day" in has and has & {"month", "month_name"}))
    return re.compile(made, re.IGNORECASE) if whole else None
