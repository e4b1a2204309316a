"""Which hosts are this machine, and what may be sent where."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Literal
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` never leaves this machine: by its spelling alone, nobody is asked for a name."""
    address = _address(host)
    return address is True or (address is not None and address.is_loopback)


def is_here(host: str) -> bool:
    """As `is_loopback`, or the address of no machine, which the system connects to itself: no proxy is to see it."""
    address = _address(host)
    return address is True or (address is not None and (address.is_loopback or address.is_unspecified))


def elsewhere(url: str) -> str:
    """The host of a url; "" where that is this machine."""
    host = urlsplit(url).hostname or ""
    return "" if is_loopback(host) else host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | Literal[True] | None:
    name = host.strip("[]").rstrip(".").lower().partition("%")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(name))  # 127.1, 0x7f000001
        except (OSError, ValueError):
            return None
    return getattr(address, "ipv4_mapped", None) or address


def stays_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent to `url`: it is encrypted, or stays on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a url, or of a bare `host:port`; None if it is neither."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, (parts.hostname or "").rstrip("."), port) if parts.hostname else None


def without_secrets(url: str) -> str:
    """`url` without who asks, query, fragment and a port that is none, which may be secrets. No URL is itself."""
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return url
    kept = re.split("[?#]", rest.rpartition("@")[2])[0]  # first the @: a password may have ? in it
    return f"{scheme}://" + re.sub(r":(?![0-9]{1,5}(/|$))[^/\]]*(?=/|$)", ":…", kept, count=1)
