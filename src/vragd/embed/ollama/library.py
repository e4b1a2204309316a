"""
The library of Ollama's makers, whatever the environment says.

Where it is imported it makes a client, of which nobody has any use: one that fails for a proxy that httpx cannot use
would keep vragd from a server on this machine, too.
"""

from __future__ import annotations

import os

import httpx

from vragd.embed.remote import ENVIRONMENT

try:
    import ollama
except (ImportError, OSError, ValueError, httpx.InvalidURL):
    said = {name: os.environ.pop(name) for name in [*os.environ] if name.upper() in ENVIRONMENT}
    try:
        import ollama
    finally:
        os.environ.update(said)

__all__ = ["ollama"]
