"""What botocore raises, as what the user must do: which setting, which permission, or just wait."""

from __future__ import annotations

import re

from botocore import exceptions as aws

from vragd.errors import BackendRefused, BackendUnavailable, StoreMismatch, UnknownCollection, VragdError

NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.ProfileNotFound,
)
_BAD_CREDENTIALS = re.compile(r"Expired|Token|Signature|UnrecognizedClient|AccessKey|Credential|AuthFailure")
_WORTH_A_RETRY = frozenset({408, 425, 429, 500, 502, 503, 504, 509, 529})
_BUSY = re.compile(
    r"Throttl|TooManyRequests|SlowDown|RequestLimit|BandwidthLimit|ProvisionedThroughput|Unavailable|Timeout"
    r"|InternalError|InternalServer|InternalFailure|PriorRequestNotComplete|TransactionInProgress"
)
_BUSY_SAID = re.compile(r"rate (limit )?exceeded|throttl|too many requests|slow down|reduce your request rate", re.I)
_CLOCK = re.compile(r"RequestTimeTooSkewed|RequestExpired|RequestInTheFuture")
_CLOCK_SAID = re.compile(r"Signature (expired|not yet current)|time.{0,40}too (large|skewed|far)", re.I)
_OF_THE_REQUEST = re.compile(
    "ValidationException|ValidationError|SerializationException|InvalidParameter(Value|Exception)|InvalidRequest(Exception)?"
)
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized"})


class Conflict(StoreMismatch):
    """What is to be made is there already."""


class BadCredentials(BackendRefused):
    """None were found, or AWS does not take them."""


class Unreachable(BackendUnavailable):
    """Nobody answered: the next request would wait for the same."""


class Invalid(StoreMismatch):
    """
    AWS finds something wrong with the request itself: nothing else may be taken for a fault of what is in it. A proxy's
    refusal, a wrong clock or a service that is busy are no reason to send less.
    """


class TooMuch(Invalid):
    """A request of so many bytes is not let through, by AWS or by whoever is in between: less may be."""


def from_answer(error: aws.ClientError, operation: str, bucket: str, store: str | None) -> VragdError:
    """The error AWS answered with. `code` and status are those of the service's API reference."""
    code = error.response.get("Error", {}).get("Code", "")
    said = error.response.get("Error", {}).get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NotFoundException":
        what = f"bucket {bucket!r} has no index {store!r}" if store else f"there is no vector bucket {bucket!r}"
        return UnknownCollection(f"{what} in this region", hint="check bucket and region")
    if status == 413 and operation == "PutVectors":
        return TooMuch("something between here and S3 Vectors, or AWS, finds a request too large (status 413)")
    if code == "ConflictException":
        return Conflict(f"{operation}: {said}")
    if _CLOCK.search(code) or _CLOCK_SAID.search(said):
        return BackendUnavailable(
            f"the clock of this machine is wrong: AWS refuses {operation} ({code})",
            hint="set the clock; it is tried again by itself",
        )
    if code in _DENIED:
        also = " (and s3vectors:GetVectors, for filters and metadata)" if operation == "QueryVectors" else ""
        return BackendRefused(
            f"AWS denies {operation} on {bucket!r}: {said}",
            hint=f"allow s3vectors:{operation}{also} on bucket/{bucket}" + (f"/index/{store}" if store else ""),
        )
    if status in (400, 401, 403) and _BAD_CREDENTIALS.search(code):
        return BadCredentials(
            f"AWS does not accept the credentials ({code})", hint="renew them: aws sso login, or aws configure"
        )
    if code.startswith("Kms"):
        return BackendRefused(f"the key of bucket {bucket!r} cannot be used: {said}", hint="see its KMS key policy")
    if code == "ServiceQuotaExceededException":
        return BackendRefused(f"a quota of S3 Vectors is reached: {said}", hint="ask AWS for more, or make room")
    if status in _WORTH_A_RETRY or _BUSY.search(code) or _BUSY_SAID.search(said):
        return BackendUnavailable(f"S3 Vectors is busy ({operation}: {code})", hint="it is tried again by itself")
    if status == 400 and _OF_THE_REQUEST.fullmatch(code):
        return Invalid(f"S3 Vectors refuses {operation}: {code}: {said}")
    if not code or code.isdigit() or _OF_THE_REQUEST.fullmatch(code):  # an answer without a code of AWS's is not AWS's
        return BackendUnavailable(
            f"something between here and S3 Vectors answers in its place ({operation}: status {status})",
            hint="check proxy, network log-in and endpoint_url; it is tried again by itself",
        )
    return BackendRefused(f"S3 Vectors refuses {operation}: {code}: {said}", hint="check the store's backend settings")


def from_library(error: aws.BotoCoreError, region: str | None, endpoint: str | None) -> VragdError:
    """The error of a request that got no answer, or was not sent."""
    if isinstance(error, NO_CREDENTIALS):
        return BadCredentials(
            f"no usable AWS credentials: {error}",
            hint="aws configure, aws sso login, --profile, or profile: in the store's backend settings",
        )
    if isinstance(error, aws.NoRegionError):
        return BackendRefused("no AWS region is chosen", hint="--region, or region: in the store's backend settings")
    if isinstance(error, aws.SSLError):
        return Unreachable("the server's certificate is not trusted", hint="see AWS_CA_BUNDLE and endpoint_url")
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        kind = type(error).__name__.removesuffix("Error")
        hint = "check the network"
        if isinstance(error, aws.EndpointConnectionError) and endpoint is None:
            hint += f", and that AWS offers S3 Vectors in {region or 'the default region'}"
        return Unreachable(f"S3 Vectors cannot be reached ({kind})", hint=f"{hint}; it is tried again by itself")
    return BackendRefused(f"S3 Vectors cannot be asked: {error}", hint="check the store's backend settings")


def from_elsewhere(error: OSError | ValueError) -> VragdError:
    """
    The error of what botocore uses: a `credential_process` that is not there, a token it cannot keep.
    """
    what = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.strerror else str(error)
    return BackendRefused(f"AWS cannot be asked: {what}", hint="see ~/.aws and the store's backend settings")
