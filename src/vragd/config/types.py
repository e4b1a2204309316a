"""The types that a configuration names: whose they are, and what is the matter with those of installed packages."""

from __future__ import annotations

from vragd.config.settings import AnyBackend, AnyEmbedder, Config
from vragd.terms import backends, embedders
from vragd.terms.settings import BackendSettings


def packages(config: Config) -> list[str]:
    """
    What is wrong with what installed packages register, a sentence each. Imports it.

    Raises ConfigError where a store needs what cannot be used.
    """
    for store in config.stores.values():
        for types, name in ((backends.TYPES, store.backend.type), (embedders.TYPES, store.embedder.type)):
            if name not in types.ours:
                types.load(name, types.noun)
    return [*backends.TYPES.faults(), *embedders.TYPES.faults()]


def is_ours(settings: AnyEmbedder | AnyBackend) -> bool:
    """Whether its type is one that vragd brings along, whose name tells nothing of who uses it."""
    types = backends.TYPES if isinstance(settings, BackendSettings) else embedders.TYPES
    return settings.type in types.ours
