"""What each shell is told, and where it looks for that. The scripts know no command: they ask for what comes next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from vragd.system.places import xdg

MARK = "written by `vragd completion"
"""Stands in every file of ours, and in nobody else's."""

_BASH = """\
# bash completion of vragd, written by `vragd completion bash`
_vragd() {
    local program=${1/#\\~\\//$HOME/} how= reply
    type -P -- "$program" >/dev/null || program=vragd
    COMPREPLY=()
    {
        IFS= read -r -d '' how
        while IFS= read -r -d '' reply; do COMPREPLY+=("$reply"); done
    } < <(command "$program" _complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    case $how in
        files) compopt -o default 2>/dev/null ;;
        dirs) compopt -o dirnames 2>/dev/null ;;
        nospace) compopt -o nospace 2>/dev/null ;;
    esac
}
complete -F _vragd vragd
"""
_ZSH = """\
#compdef vragd
# zsh completion of vragd, written by `vragd completion zsh`
_vragd() {
    local program=${${(Q)words[1]}/#\\~\\//$HOME/}
    local -a found
    whence -p -- "$program" >/dev/null || program=vragd
    found=("${(@0)$(command "$program" _complete zsh "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    [[ -n $found[-1] ]] || found[-1]=()
    case $found[1] in
        files) _files ;;
        dirs) _files -/ ;;
        nospace) compadd -S '' -- "${(@)found[2,-1]}" ;;
        plain) compadd -- "${(@)found[2,-1]}" ;;
    esac
}
if [[ $funcstack[1] == _vragd ]]; then _vragd "$@"; else compdef _vragd vragd; fi
"""
_FISH = """\
# fish completion of vragd, written by `vragd completion fish`
function __vragd_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    command -q -- $program; or set program vragd
    set -l found (command $program _complete fish $words[2..-1] "$current" 2>/dev/null | string split0)
    switch "$found[1]"
        case files
            __fish_complete_path "$current" | string join0
        case dirs
            __fish_complete_directories "$current" '' | string join0
        case '*'
            test (count $found) -gt 1; and string join0 -- $found[2..-1]
    end
end
complete -c vragd -f -a '(__vragd_complete | string split0)'
"""


class Shell(NamedTuple):
    """`script` is the file's content, `file` where the shell looks for it; `then` is what its user is told."""

    script: str
    file: Callable[[], Path]
    then: Callable[[Path], str]


def _bash_file() -> Path:
    chosen = os.environ.get("BASH_COMPLETION_USER_DIR", "").split(":")[0]
    folder = Path(chosen) if chosen.startswith("/") else xdg("XDG_DATA_HOME", "~/.local/share") / "bash-completion"
    return folder / "completions" / "vragd"


def _in_bash(file: Path) -> str:
    here = shlex.quote(str(file))
    return (
        f"A new bash has it, where the package bash-completion is installed; else put\nthis into ~/.bashrc:\n. {here}"
    )


def _in_zsh(file: Path) -> str:
    return f"Put this into ~/.zshrc, before compinit is called there:\nfpath=({shlex.quote(str(file.parent))} $fpath)"


SHELLS: Mapping[str, Shell] = {
    "bash": Shell(_BASH, _bash_file, _in_bash),
    "zsh": Shell(_ZSH, lambda: xdg("XDG_DATA_HOME", "~/.local/share") / "zsh/site-functions/_vragd", _in_zsh),
    "fish": Shell(_FISH, lambda: xdg("XDG_CONFIG_HOME", "~/.config") / "fish/completions/vragd.fish",
                  lambda file: "A new fish has it."),
}  # fmt: skip


def installed() -> list[Path]:
    """The files of ours that are there, each where its shell looks for it."""
    return [file for shell in SHELLS.values() if is_ours(file := shell.file())]


def is_ours(file: Path) -> bool:
    """Whether that is a file that was written here: no link, and with our mark."""
    try:
        with file.open("rb") as opened:
            return not file.is_symlink() and file.is_file() and MARK.encode() in opened.read(400)
    except OSError:
        return False
