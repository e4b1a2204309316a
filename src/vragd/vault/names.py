"""What file names alone tell: temporary files of editors, copies that sync tools make of a note in conflict."""

from __future__ import annotations

import re

# Names that are never a note whatever is included: editors' and sync tools' temporary files.
BEGINNINGS = (".", "~$")  # also .#lock, .syncthing.x.tmp, .~lock.x#
ENDS = ("~", ".tmp", ".swp", ".swx", ".crdownload", ".part")
SUSPECT_BEGINNINGS = (".", "~")
SUSPECT = ("onflict", "onflikt", " clash", "_CaseC")
"""A name without any of these is no copy in conflict."""
_VIMS = "4913"  # vim tries whether it may write here

_DATE = r"\d{4}[-_.]?\d\d[-_.]?\d\d"
_AGAIN = r"(?: ?\(\d{1,3}\))?"  # the second of a day, or a copy of the copy
# Each as its tool writes it, at the end of the name, so that a title which speaks of conflicts stays a title.
_COPIES = re.compile(
    "(?:"
    + "|".join(
        (
            r" \(Conflicted copy [^()]* ?\d{8,14}\)",  # Obsidian Sync
            rf" \((?:[^()]*['’]s? )?[Cc]onflicted copy(?: [^()]*)?{_DATE}[^()]*\)",  # Dropbox, Nextcloud, Unison
            r" \([^()]+['’]s? [Cc]onflicted copy(?: [^()]*)?\)",  # Dropbox, without a date
            r" \([Cc]onflicted copy(?: \d+)?\)",
            rf" \(In Konflikt stehende Kopie(?: von [^()]*)? {_DATE}[^()]*\)",  # Dropbox in German
            r" \((?:Case|Unicode Encoding|Selective Sync|White ?[Ss]pace) Conflict(?: [^()]*)?\)",  # Dropbox
            r" \([Cc]ase clash from [^()]*\)",  # Nextcloud
            rf" \([Cc]onflict(?: on| from|ed)? [^()]*{_DATE}[^()]*\)",  # Tresorit and others
            r" \(SFConflict [^()]*\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\)",  # Seafile
            r"\.sync-conflict(?:-\d[\dA-Z-]*)?",  # Syncthing
            r"_conflict-\d{8}-\d{6}",  # ownCloud of old
            r"_[^_/]+_[A-Z][a-z]{2}-\d\d-\d{6}-\d{4}_(?:Case)?Conflict",  # Synology Drive
            r"_(?:Case)?Conflict(?:_[^_/]+_[A-Z][a-z]{2}-\d\d-\d{6}-\d{4})",
            r"\.[Cc]onflict\d{0,3}",  # Resilio, rclone bisync
            r" ?\[conflicted(?: ?\d+)?\]",  # pCloud
        )
    )
    + rf"){_AGAIN}(?:\.[^./ ]{{1,16}})?$",
    re.DOTALL,
)


def no_note(name: str) -> str | None:
    """Why a file of this name is never a note, whatever is included: `temporary_file`, `conflict_copy`; or None."""
    if name.startswith(BEGINNINGS) or name.endswith(ENDS) or name == _VIMS:
        return "temporary_file"
    if len(name) > 1 and name[0] == "#" and name[-1] == "#":
        return "temporary_file"
    if any(part in name for part in SUSPECT) and _COPIES.search(name):
        return "conflict_copy"
    return None
