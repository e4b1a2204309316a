"""What file names alone tell: temporary files of editors, copies that sync tools make of a note in conflict."""

from __future__ import annotations

import re
import unicodedata

# Names that are never a note whatever is included: editors' and sync tools' temporary files.
BEGINNINGS = (".", "~$")  # also .#lock, .syncthing.x.tmp, .~lock.x#
ENDS = ("~", ".tmp", ".swp", ".swx", ".crdownload", ".part")
SUSPECT_BEGINNINGS = (".", "~")
SUSPECT = ("onfli", " clash", "TOP-", "~")
"""A name without any of these is no copy in conflict, unless it `is_foreign`."""
_VIMS = "4913"  # vim tries whether it may write here

_DATE = r"\d{4}[-_.]?\d\d[-_.]?\d\d"
_AGAIN = r"(?: ?\(\d{1,3}\))?"  # the second of a day, or a copy of the copy
# What Dropbox and those after it call one, in the languages they speak.
_WORDS = "|".join(
    (
        "[Cc]onflict(?:ed|ing)? copy",
        "[Kk]onflikt(?: in |-| ?)[Kk]opie",
        "[Ii]n Konflikt stehende Kopie",
        "[Cc]opie (?:en conflit|conflictuelle)",
        "[Cc]opia (?:en conflicto|in conflitto|con conflitti|conflictiva)",
        "[Cc]\u00f3pia (?:em conflito|conflitante|conflituosa)",
        "[Cc]onflict(?:erende |-|)kopie",
        "[Kk]onflikt(?:erade |erende |-|)kopi[ae]?",
        "[Kk]opia (?:powoduj\u0105ca konflikt|w konflikcie|konfliktu)",
        "[\u041a\u043a]онфликтующая копия",
        "競合(?:した|する)?コピー",
        "[冲沖衝]突的?[副複]本",
        "충돌(?:된|하는)? ?(?:사본|복사본)",
    )
)
# Each as its tool writes it, at the end of the name, so that a title which speaks of conflicts stays a title.
_COPIES = re.compile(
    "(?:"
    + "|".join(
        (
            r" \(Conflicted copy [^()]* ?\d{8,14}\)",  # Obsidian Sync
            rf" \((?:[^()]*['’]s? )?[Cc]onflicted copy(?: [^()]*)?{_DATE}[^()]*\)",  # Dropbox, Nextcloud, Unison
            rf" ?[(\uff08](?:[^()]*[^\w()]|[^()]*[の的의]\s?)?(?:{_WORDS})(?:\W[^()]*)?[)\uff09]",
            r" \((?:Case|Unicode Encoding|Selective Sync|White ?[Ss]pace) Conflict(?: [^()]*)?\)",  # Dropbox
            r" \([Cc]ase clash from [^()]*\)",  # Nextcloud
            rf" \((?:copy: )?[Cc]onflict(?:,| on| from| at|ed)? [^()]*{_DATE}[^()]*\)",  # Tresorit, Unison and others
            r" ?\(# (?:Name clash|Edit conflict) [^()#]*#\)",  # Proton Drive
            r" \(SFConflict [^()]*\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\)",  # Seafile
            r"\.sync-conflict(?:-\d[\dA-Z-]*)?",  # Syncthing
            r"_conflict-(?:[^_/-]+-)?\d{8}-\d{6}",  # ownCloud of old
            r"_[^_/]+_[A-Z][a-z]{2}-\d\d-\d{6}-\d{4}_(?:Case)?Conflict",  # Synology Drive
            r"_(?:Case)?Conflict(?:_[^_/]+_[A-Z][a-z]{2}-\d\d-\d{6}-\d{4})",
            r"\.[Cc]onflict\d{0,3}",  # Resilio, rclone bisync
            r" ?\[[Cc]onflict(?:ed)?(?: ?\d+)?\]",  # pCloud, Google Drive
            r"(?<=.)~HEAD",  # git, where a folder is in the way
        )
    )
    + rf"){_AGAIN}(?:\.[^./ ]{{1,16}})?$",
    re.DOTALL,
)
# Behind a whole name, as programs that keep versions write what they could not merge, and what was there before.
_VERSION_ENDS = (".orig", ".rej", ".mine", ".local", ".other", ".base", "..path1", "..path2")
_VERSIONS = re.compile(
    r"\.\w{1,16}(?:\.orig|\.rej|~HEAD|~[0-9a-f]{7,40}(?: \(.*\))?)$"
    r"|\.(?:md|markdown|txt|canvas)(?:\.(?:mine|local|other|base)|\.\.path[12])$",
    re.DOTALL,
)
_FOREIGN = re.compile("[\u0400-\u052f\u1100-\u11ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
# OneDrive's name of a copy is that of the machine: no more than a title if there is no note that it would be a copy of.
_BESIDE = re.compile(r"(?P<of>.+)-(?:DESKTOP|LAPTOP)-[A-Z0-9]{6,9}(?:-\d{1,3})?(?P<end>\.[^./ ]{1,16})", re.DOTALL)


def is_foreign(name: str) -> bool:
    """Whether a name has letters of which a language that is written otherwise may have made a copy's name."""
    return not name.isascii() and _FOREIGN.search(name) is not None


def copy_of(name: str) -> str | None:
    """The name of the file that one of this name is a copy in conflict of, if that lies beside it."""
    found = _BESIDE.fullmatch(name) if "TOP-" in name else None
    return found["of"] + found["end"] if found else None


def no_note(name: str) -> str | None:
    """Why a file of this name is never a note, whatever is included: `temporary_file`, `conflict_copy`; or None."""
    if name.startswith(BEGINNINGS) or name.endswith(ENDS) or name == _VIMS:
        return "temporary_file"
    if len(name) > 1 and name[0] == "#" and name[-1] == "#":
        return "temporary_file"
    if (any(part in name for part in SUSPECT) or is_foreign(name)) and _COPIES.search(
        unicodedata.normalize("NFC", name)
    ):
        return "conflict_copy"
    if ("~" in name or name.endswith(_VERSION_ENDS)) and _VERSIONS.search(name):
        return "conflict_copy"
    return None
