"""Whether this machine runs on its battery: then nobody is in a hurry."""

from __future__ import annotations

from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")


def on_battery(supplies: Path = SUPPLIES) -> bool:
    """
    Whether a battery of the machine is being used up, as Linux tells it; False where nobody tells, as on macOS.

    A mouse's or a UPS's is none of the machine's.
    """
    try:
        folders = list(supplies.iterdir())
    except OSError:
        return False
    return any(
        _read(folder / "type") == "Battery"
        and _read(folder / "scope") != "Device"
        and _read(folder / "status") == "Discharging"
        for folder in folders
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
