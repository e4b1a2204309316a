"""The builtin model, as a list shows it."""

from __future__ import annotations

from vragd.embed.known import Model

KNOWN = (Model("all-MiniLM-L6-v2", 23, "English", 384, "Apache-2.0", "{type: builtin}", "0.734 and 0.823", ran=True),)
