"""
What a hub as Hugging Face's has of a model: which commit, and of each file its size and what it is.

Asked by its makers' own library, which is told to report nothing and to send no token that lies on this machine.
Loaded by `vragd models download` alone.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

# Read when it is imported: otherwise it asks the hub which programs are assistants, looks for one around it, and keeps
# that list below the home directory.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
from huggingface_hub import HfApi, ModelInfo, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from vragd.embed.known import meant
from vragd.errors import EmbedderRefused, EmbedderUnavailable, UsageError, VragdError
from vragd.terms.hosts import stays_private
from vragd.terms.settings import Named

USUAL = "https://huggingface.co"
TIMEOUT_S, TRIES = 20.0, 4
LONGEST_WAIT_S = 60.0
BY_HAND = "or fetch its folder on another machine, and give it as path:"
TRUE = frozenset({"1", "on", "yes", "true"})

Wait = Callable[[float], object]


class Listed(NamedTuple):
    """A file of a commit: its `path` there, and its digest: that of git (40 digits) or SHA-256 (64), or ""."""

    path: str
    n_bytes: int
    digest: str


class Hub:
    """The hub that HF_ENDPOINT names, or Hugging Face's own. Raises UsageError for one that everybody could replace."""

    def __init__(self, wait: Wait = time.sleep) -> None:
        self.url = os.environ.get("HF_ENDPOINT", "").rstrip("/") or USUAL
        self.host = urlsplit(self.url).hostname or self.url
        self._wait = wait
        if os.environ.get("HF_HUB_OFFLINE", "").strip().casefold() in TRUE:
            raise UsageError("HF_HUB_OFFLINE says that no hub is asked", hint=f"unset it; {BY_HAND}")
        if not stays_private(self.url):
            raise UsageError(f"HF_ENDPOINT is {self.url}: what comes from there could be anybody's", hint="https://…")

    def listed(self, named: Named) -> tuple[str, list[Listed]]:
        """
        The commit that a revision is now, and its files. Blocks.

        Raises UsageError for what it does not have, EmbedderRefused, and EmbedderUnavailable where it cannot be asked,
        or does not say how large a file is.
        """
        info = self._asked(named)
        commit = info.sha or ""
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
            raise self._no_hub("no commit")
        files = []
        for one in info.siblings or ():
            digest, n_bytes = (one.lfs.sha256, one.lfs.size) if one.lfs else (one.blob_id, one.size)
            if n_bytes is None:  # as 0, an empty file would be all of it
                raise EmbedderUnavailable(
                    f"{self.host} gives no size of {one.rfilename}", hint=f"another hub, {BY_HAND}"
                )
            files.append(Listed(one.rfilename, n_bytes, digest or ""))
        return commit, files

    def address(self, name: str, commit: str, path: str) -> str:
        """Where a file of a commit is."""
        return hf_hub_url(name, path, revision=commit, endpoint=self.url)

    def _asked(self, named: Named) -> ModelInfo:
        api = HfApi(endpoint=self.url, token=False, library_name="vragd")  # nor what lies in the home directory
        for left in reversed(range(TRIES)):
            try:
                return api.model_info(named.name, revision=named.revision, files_metadata=True, timeout=TIMEOUT_S)
            except Exception as error:  # of three libraries, over the years
                wait_s = _may_pass(error)
                if wait_s is None or not left:
                    raise self._in_our_words(error, named) from error
                self._wait(min(wait_s or 2.0 ** (TRIES - left - 1), LONGEST_WAIT_S))
        raise AssertionError("unreachable")

    def _in_our_words(self, error: Exception, named: Named) -> VragdError:
        status = _status(error)
        if isinstance(error, GatedRepoError) or status == 403:
            return EmbedderRefused(
                f"{self.host} gives {named.name} only to who agreed to its terms",
                hint="agree there, fetch its folder with: hf download, and give it as path:",
            )
        if isinstance(error, RevisionNotFoundError):
            hint = "main is the usual"
            return UsageError(f"{named.name} has no revision {named.revision!r} on {self.host}", hint=hint)
        if isinstance(error, RepositoryNotFoundError) or status in (401, 404):
            return UsageError(f"{self.host} shows nobody a model {named.name}", hint=meant(named.name))
        if isinstance(error, OfflineModeIsEnabled):
            return UsageError("the environment says that no hub is asked", hint=BY_HAND)
        if status is not None:
            return EmbedderUnavailable(f"{self.host} answers with status {status}", hint=f"try again later, {BY_HAND}")
        if isinstance(error, (ValueError, TypeError, LookupError, AttributeError)):
            return self._no_hub(type(error).__name__)
        return EmbedderUnavailable(
            f"{self.host} cannot be reached: {type(error).__name__}", hint=f"look at the network, {BY_HAND}"
        )

    def _no_hub(self, why: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(
            f"{self.host} answers with something that is no hub's answer ({why})", hint="a proxy, or a hotel's page?"
        )


def retry_after_s(said: str) -> float:
    """The seconds in a Retry-After; 0 where it says none."""
    return float(said) if re.fullmatch(r"\d{1,6}", said) else 0.0


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _may_pass(error: Exception) -> float | None:
    """How long to wait before it is asked again, 0 for as long as is usual; None where that is of no use."""
    status = _status(error)
    if isinstance(error, HfHubHTTPError) and status is not None:
        if status != 429 and status < 500:
            return None
        return retry_after_s(error.response.headers.get("retry-after", ""))
    is_other = isinstance(error, (OfflineModeIsEnabled, ValueError, TypeError, LookupError, AttributeError))
    return None if is_other else 0.0
