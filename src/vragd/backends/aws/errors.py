"""What botocore raises, as what the user must do: which setting, or just wait. What a service alone says is its own."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from botocore import exceptions as aws

from vragd.errors import AGAIN, BackendRefused, BackendUnavailable, VragdError
from vragd.system.lanes import Beside

T = TypeVar("T")

NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.ProfileNotFound,
    getattr(aws, "LoginError", aws.SSOError),  # of `aws login`, which botocore 1.40 does not know
)
DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized"})
LEAST_QUOTED, MOST_COMPARED = 8, 16
"""Letters: what is shorter may stand in any sentence; of a long text the service may quote the beginning."""
PAUSE_S = 5.0  # after a query that could not reach a service, others do not wait for the same
_BAD_CREDENTIALS = re.compile(r"Expired|Token|Signature|UnrecognizedClient|AccessKey|Credential|AuthFailure")
_WORTH_A_RETRY = frozenset({408, 425, 429, 500, 502, 503, 504, 509, 529})
_BUSY = re.compile(
    r"Throttl|TooManyRequests|SlowDown|RequestLimit|BandwidthLimit|ProvisionedThroughput|Unavailable|Timeout"
    r"|InternalError|InternalServer|InternalFailure|PriorRequestNotComplete|TransactionInProgress"
)
_BUSY_SAID = re.compile(r"rate (limit )?exceeded|throttl|too many requests|slow down|reduce your request rate", re.I)
_SHOWN = re.compile(r"(security-token|signature|authorization)(\W{1,6})[\w+/=%.-]{8,}", re.I)
_CLOCK = re.compile(r"RequestTimeTooSkewed|RequestExpired|RequestInTheFuture")
_CLOCK_SAID = re.compile(r"Signature (expired|not yet current)|time.{0,40}too (large|skewed|far)", re.I)


class BadCredentials(BackendRefused):
    """None were found, or the service does not take them."""


class Unreachable(BackendUnavailable):
    """Nobody answered: the next request would wait for the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An error that a service answered with: code and status are those of its API reference. What is `said` is told, and
    holds nothing of what whoever asked showed, or of a note that was sent.
    """

    code: str
    said: str
    status: int

    @classmethod
    def of(cls, error: aws.ClientError, sent: object = None) -> Self:
        """`sent`: what went along, in dictionaries and lists."""
        told = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = _SHOWN.sub(r"\1\2...", told.get("Message", ""))
        if any(text in said for text in _texts(sent)):
            said = "what is said of it quotes a note"
        return cls(told.get("Code", ""), said, status)

    def usual(self, operation: str, title: str, who: str = "AWS") -> VragdError | None:
        """The error it is with any service: the clock, credentials, or that it is busy. None for none of these."""
        if _CLOCK.search(self.code) or _CLOCK_SAID.search(self.said):
            return BackendUnavailable(
                f"the clock of this machine is wrong: {who} refuses {operation} ({self.code})",
                hint=f"set the clock; {AGAIN}",
            )
        if self.status in (400, 401, 403) and _BAD_CREDENTIALS.search(self.code):
            return BadCredentials(
                f"{who} does not accept the credentials ({self.code})",
                hint="renew them: aws sso login, or aws configure",
            )
        if self.status in _WORTH_A_RETRY or _BUSY.search(self.code) or _BUSY_SAID.search(self.said):
            return BackendUnavailable(f"{title} is busy ({operation}: {self.code})", hint=AGAIN)
        return None

    def of_somebody_else(self, operation: str, title: str) -> VragdError:
        """The error of an answer that has not the form of the service's own."""
        return BackendUnavailable(
            f"something between here and {title} answers in its place ({operation}: status {self.status})",
            hint=f"check proxy, network log-in and endpoint_url; {AGAIN}",
        )


def _texts(sent: object) -> Iterator[str]:
    """Pieces of every text in there."""
    if isinstance(sent, str):
        pieces = (sent[at : at + MOST_COMPARED] for at in range(0, len(sent), MOST_COMPARED))
        yield from (piece for piece in pieces if len(piece) >= LEAST_QUOTED)
    elif isinstance(sent, Mapping):
        for value in sent.values():
            yield from _texts(value)
    elif isinstance(sent, list | tuple):
        for value in sent:
            yield from _texts(value)


def check_no_page(answer: Mapping[str, Any], operation: str, title: str) -> None:
    """Raise BackendUnavailable for a success that is a page for people: nothing was done, nor is anything known."""
    told = answer.get("ResponseMetadata", {})
    if "html" in told.get("HTTPHeaders", {}).get("content-type", ""):
        raise Answer("", "", told.get("HTTPStatusCode", 0)).of_somebody_else(operation, title)


def from_library(error: aws.BotoCoreError, region: str | None, endpoint: str | None, title: str) -> VragdError:
    """The error of a request that got no answer, or was not sent."""
    if isinstance(error, NO_CREDENTIALS):
        return BadCredentials(
            f"no usable AWS credentials: {error}",
            hint="aws configure, aws login, aws sso login, --profile, or profile: in the store's backend settings",
        )
    if isinstance(error, aws.MissingDependencyException):  # who logged in by `aws login` needs what is not in botocore
        return BadCredentials(
            "AWS's library lacks a part that these credentials need", hint="pip install 'botocore[crt]'"
        )
    if isinstance(error, aws.NoRegionError):
        return BackendRefused("no AWS region is chosen", hint="--region, or region: in the store's backend settings")
    if isinstance(error, aws.SSLError):
        return Unreachable("the server's certificate is not trusted", hint="see AWS_CA_BUNDLE and endpoint_url")
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        kind = type(error).__name__.removesuffix("Error")
        hint = "check the network"
        if isinstance(error, aws.EndpointConnectionError) and endpoint is None:
            hint += f", and that AWS offers {title} in {region or 'the default region'}"
        return Unreachable(f"{title} cannot be reached ({kind})", hint=f"{hint}; {AGAIN}")
    return BackendRefused(f"{title} cannot be asked: {error}", hint="check the store's backend settings")


def from_elsewhere(error: OSError | ValueError) -> VragdError:
    """
    The error of what botocore uses: a `credential_process` that is not there, a token it cannot keep.
    """
    what = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.strerror else str(error)
    return BackendRefused(f"AWS cannot be asked: {what}", hint="see ~/.aws and the store's backend settings")


class Outage:
    """Remembers that a service was out of reach, so that of many questions one waits for it. Any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._seen: tuple[float, VragdError] | None = None

    def note(self, error: VragdError) -> None:
        with self._lock:
            self._seen = (self._clock(), error)

    def in_time(self, ask: Callable[[], T], seconds: float | None, title: str) -> T:
        """
        What `ask` gives; for a query on a thread beside, as nobody bounds how long it is waited for credentials.

        Raises Unreachable after so long, where that is said; what was asked goes on then.
        """
        if seconds is None:
            return ask()
        beside = Beside("aws-asked", ask)
        if not beside.ends_in(seconds):
            raise Unreachable(
                f"{title} could not be asked within {seconds:g} s",
                hint=f"what gives the credentials may wait for somebody: credential_process; {AGAIN}",
            )
        return beside.result()

    def check(self) -> None:
        """Raise what was noted for `PAUSE_S` afterwards."""
        with self._lock:
            if self._seen is None:
                return
            at, error = self._seen
            if self._clock() - at >= PAUSE_S:
                self._seen = None
                return
        raise type(error)(error.message, hint=error.hint)
