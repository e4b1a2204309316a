"""How an assistant is to start the bridge: without our environment, and also after an upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vragd.system.places import config_path, expanded


def options(
    config: str | None, data_dir: str | None, socket: str | None, environment: Mapping[str, str]
) -> list[str]:  # fmt: skip
    """What the bridge must be told, as it will have neither these flags nor this environment. Absolute paths."""
    found = []
    file = config_path(config)
    if file != expanded("~/.config") / "vragd" / "config.yaml":
        found += ["--config", str(file)]
    if chosen := data_dir or environment.get("VRAGD_DATA_DIR"):
        found += ["--data-dir", str(expanded(chosen).absolute())]
    elif environment.get("XDG_DATA_HOME", "").startswith("/"):
        found += ["--data-dir", str(Path(environment["XDG_DATA_HOME"]) / "vragd")]
    if chosen := socket or environment.get("VRAGD_SOCKET"):
        found += ["--socket", str(expanded(chosen).absolute())]
    return found
