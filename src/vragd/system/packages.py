"""
The types there are of a part that others may write, such as a backend: ours, and those of installed packages.

Each type is a Python package with a module `settings` and one that does the work. A package registers its own by
entry point. What is installed is looked at only when a type is wanted that is not ours: that reads the lists of all
packages, which takes tens of milliseconds. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from vragd.errors import ConfigError, nearest

_SHORT = 4
"""Letters of a name that is like too many others to be meant by one that is spelled otherwise."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A type that an installed package registers: `package` is what pip calls it, `folder` what is imported."""

    package: str
    folder: str


@dataclass(frozen=True, slots=True)
class Types:
    """
    The types of a part. `noun` is what people call it, and the module that does the work.

    `ours` gives the folder of each of our own types; `group` is the entry points' group. Ours cannot be replaced by
    a package. `also` gives our type for what else people call it. May be used from any thread.
    """

    noun: str
    ours: Mapping[str, str]
    group: str
    also: Mapping[str, str] = field(default_factory=dict)

    def installed(self) -> dict[str, list[Installed]]:
        """What packages register, by type: several where they want the same name."""
        from importlib.metadata import entry_points

        found: dict[str, list[Installed]] = {}
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, entry.value)):
            package = entry.dist.name if entry.dist is not None else entry.value
            found.setdefault(entry.name, []).append(Installed(package, entry.value.strip()))
        return found

    def names(self) -> list[str]:
        """Every type: ours, then those of packages."""
        return [*self.ours, *(name for name in self.installed() if name not in self.ours)]

    def nearest(self, name: str, names: Sequence[str]) -> str:
        """That of `names` which is meant, as far as can be told; empty where it cannot."""
        long = [known for known in self.also if len(known) > _SHORT]
        return self.also.get(name.casefold()) or nearest(name, names) or self.also.get(nearest(name, long), "")

    def unknown(self, name: str, names: Sequence[str]) -> str:
        """What to say of a type that is none of `names`, which are all."""
        near = self.nearest(name, names)
        advice = f"did you mean {near!r}? " if near else ""
        return f"unknown {self.noun} type {name!r}; {advice}there are {', '.join(names)}"

    def settings(self, name: str) -> type[Any]:
        """The class of the settings of a type. Raises ConfigError as `load`."""
        module = self.load(name, "settings")
        found = getattr(module, "Settings", None)
        if not isinstance(found, type):
            raise ConfigError(f"{self.noun} type {name!r}: {module.__name__} has no class Settings")
        return found

    def load(self, name: str, module: str) -> ModuleType:
        """A module of a type's folder. Raises ConfigError for an unknown type, and for one that cannot be imported."""
        if name in self.ours:
            return importlib.import_module(f"{self.ours[name]}.{module}")
        packages = self.installed().get(name, [])
        if not packages:
            near, known = self.nearest(name, self.names()), f"known: {', '.join(self.names())}"
            raise ConfigError(
                f"unknown {self.noun} type {name!r}", hint=f"did you mean {near!r}? {known}" if near else known
            )
        if len(packages) > 1:
            raise ConfigError(
                f"{self.noun} type {name!r} is registered by {' and by '.join(it.package for it in packages)}",
                hint="uninstall all of them but one",
            )
        (it,) = packages
        try:
            return importlib.import_module(f"{it.folder}.{module}")
        except Exception as error:  # whatever a stranger's module does when it is imported
            raise ConfigError(
                f"{self.noun} type {name!r} of the package {it.package} cannot be imported:"
                f" {type(error).__name__}: {error}",
                hint=f"mend or uninstall {it.package}, or choose another type",
            ) from error

    def faults(self) -> list[str]:
        """What is wrong with what packages register, a sentence each; imports all of it."""
        found = []
        for name, packages in self.installed().items():
            if name in self.ours:
                whose = " and ".join(it.package for it in packages)
                found.append(f"{self.noun} type {name!r} is vragd's own: what {whose} registers is not used")
                continue
            try:
                self.settings(name)
                self.load(name, self.noun)
            except ConfigError as error:
                found.append(error.message)
        return found
