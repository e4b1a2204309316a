"""Objects of a bucket, through boto3; what goes wrong, as what the user must do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any

from botocore import exceptions as aws

from vragd.backends.aws.connect import is_aws, make_client
from vragd.backends.aws.errors import (
    DENIED,
    Answer,
    BadCredentials,
    Outage,
    Unreachable,
    check_no_page,
    from_elsewhere,
    from_library,
)
from vragd.backends.s3.settings import S3Backend as Settings
from vragd.errors import AGAIN, BackendFull, BackendRefused, BackendUnavailable, VragdError
from vragd.system.alive import progress

TITLE = "S3"
READ_BYTES = 1 << 20
GETS = 3  # a body that breaks off is asked for again: botocore repeats requests, and no reading
NEEDS = {
    "GetObject": "s3:GetObject, and s3:ListBucket without conditions (else what is not there is denied, too)",
    "PutObject": "s3:PutObject and s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
}
_FULL = frozenset(
    {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "StorageFull", "QuotaExceededException"}
)
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_BROKEN_OFF = (aws.IncompleteReadError, aws.FlexibleChecksumError)
_CLASHES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "OperationAborted", "NoSuchKey"})


class Clash(Exception):
    """The object is another one than a condition says, or somebody else is writing it."""


class Absent(Exception):
    """There is no such object."""


class Unchanged(Exception):
    """The object is the one that is known."""


class _Sent(BytesIO):
    """What is sent. A large one may take minutes, which are no standstill."""

    def read(self, size: int | None = -1) -> bytes:
        progress()
        return super().read(size)


def _read(body: Any) -> bytes:
    parts = []
    for part in body.iter_chunks(READ_BYTES):
        progress()
        parts.append(part)
    return b"".join(parts)


class Objects:
    """Writes have retries; what somebody waits for has short timeouts and connections of its own. Any thread."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._outage = settings, Outage(clock)
        self._lock = threading.Lock()
        self._clients: dict[bool, Any] = {}

    def get(self, key: str, unless: str = "", *, quick: bool = False) -> tuple[bytes, str]:
        """Content and ETag. Raises Absent, and Unchanged if its ETag is `unless`."""
        how: dict[str, Any] = {"IfNoneMatch": unless} if unless else {}
        if quick:
            self._outage.check()
        try:
            answer = self._call("GetObject", quick=quick, Key=key, **how)
        except Unreachable as error:
            if quick:
                self._outage.note(error)
            raise
        return answer["Body"], _etag(answer)

    def put(self, key: str, content: bytes, **condition: Any) -> str:
        """Make or replace an object, `IfMatch` or `IfNoneMatch` is so, and give its ETag. Raises Clash."""
        return _etag(self._call("PutObject", Key=key, Body=_Sent(content), **condition))

    def delete(self, key: str) -> None:
        """One that is not there is no error."""
        self._call("DeleteObject", Key=key)

    def below(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys that begin so, and how many bytes each object has."""
        for page in self._pages(Prefix=prefix):
            yield from ((item["Key"], item["Size"]) for item in page.get("Contents", ()))

    def folders(self, prefix: str) -> Iterator[str]:
        """What follows `prefix` in keys, up to the next /."""
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            yield from (it["Prefix"][len(prefix) : -1] for it in page.get("CommonPrefixes", ()))

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _pages(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, Any] = {}
        while True:
            page = self._call("ListObjectsV2", **parameters, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, operation: str, *, quick: bool = False, **parameters: Any) -> dict[str, Any]:
        """One request, its errors turned into ours. The body of an answer is read, as bytes."""
        progress()
        bucket, cause = self._settings.bucket, Exception()
        try:
            longest_s = self._settings.longest_query_s if quick else None
            client = self._outage.in_time(partial(self._client, quick), longest_s, TITLE)  # it gets the credentials
            return self._answer(client, operation, bucket, parameters)
        except BackendUnavailable:  # ours: nothing may be sent there, or somebody else answers
            raise
        except aws.ClientError as error:
            cause, ours = error, _from_answer(Answer.of(error), operation, bucket)
        except aws.BotoCoreError as error:
            cause = error
            ours = from_library(error, self._settings.region, self._settings.endpoint_url, TITLE)
        except RecursionError as error:  # botocore, whom a region sends to the next
            cause, ours = error, Answer("", "", 302).of_somebody_else(operation, TITLE)
        except (OSError, ValueError) as error:
            cause, ours = error, from_elsewhere(error)
        if isinstance(ours, BadCredentials):
            with self._lock:
                self._clients.clear()  # they keep what they once read of a file: the next call reads it again
        raise ours from cause

    def _answer(self, client: Any, operation: str, bucket: str, parameters: dict[str, Any]) -> dict[str, Any]:
        methods = {
            "GetObject": client.get_object, "PutObject": client.put_object, "DeleteObject": client.delete_object,
            "ListObjectsV2": client.list_objects_v2,
        }  # fmt: skip
        for left in reversed(range(GETS)):
            answer: dict[str, Any] = methods[operation](Bucket=bucket, **parameters)
            try:
                check_no_page(answer, operation, TITLE)
            except BackendUnavailable:
                if operation == "GetObject":
                    answer["Body"].close()
                raise
            if operation != "GetObject":
                break
            try:
                answer["Body"] = _read(answer["Body"])
                break
            except (*_BROKEN_OFF, aws.HTTPClientError) as error:
                if not left:
                    raise aws.HTTPClientError(error=error) from error
        return answer

    def _client(self, quick: bool) -> Any:
        with self._lock:
            if quick not in self._clients:
                style = {"auto": "path"}.get(self._settings.addressing, self._settings.addressing)
                elsewhere = {
                    "request_checksum_calculation": "when_required",  # others answer 400, or keep its framing
                    "response_checksum_validation": "when_required",
                    "s3": {"addressing_style": style},
                }
                client = make_client("s3", TITLE, self._settings, for_query=quick, elsewhere=elsewhere)
                if not is_aws(client.meta.endpoint_url):
                    client.meta.events.register_last("before-parameter-build.s3", _stay)
                self._clients[quick] = client
            return self._clients[quick]


def _stay(context: dict[str, Any], **_: Any) -> None:
    """Keep botocore from asking a redirect for another region: that question would be redirected, too, without end."""
    context.get("s3_redirect", {})["redirected"] = True


def _etag(answer: dict[str, Any]) -> str:
    if not (etag := answer.get("ETag")):
        raise BackendRefused(
            "the service gives objects no ETag, so nobody can tell which one is there", hint="use another service"
        )
    return str(etag)


def _from_answer(answer: Answer, operation: str, bucket: str) -> Exception:
    """The error that was answered with."""
    code, said, status = answer.code, answer.said, answer.status
    if status == 304:
        return Unchanged()
    if operation == "PutObject" and code in _CLASHES:
        return Clash()
    if code == "NoSuchKey":
        return Absent()
    if known := _refusal(answer, operation, bucket) or answer.usual(operation, TITLE, "the service"):
        return known
    if not code or code.isdigit():
        return answer.of_somebody_else(operation, TITLE)
    return BackendRefused(f"S3 refuses {operation}: {code}: {said}", hint="check the store's backend settings")


def _refusal(answer: Answer, operation: str, bucket: str) -> VragdError | None:
    code, said = answer.code, answer.said
    if code == "NoSuchBucket":
        return BackendRefused(
            f"there is no bucket {bucket!r}", hint="make it, or check bucket, region and endpoint_url"
        )
    if code in DENIED:
        return BackendRefused(
            f"{operation} on bucket {bucket!r} is denied: {said}",
            hint=f"allow {NEEDS[operation]} (docs/backends.md has the policy)",
        )
    if code in _ELSEWHERE:
        return BackendRefused(
            f"bucket {bucket!r} is in another region ({code})", hint="--region, or region: in the store's settings"
        )
    if code == "NotImplemented" and operation == "PutObject":
        return no_conditions(bucket)
    if code.startswith("KMS."):
        return BackendRefused(f"the key of bucket {bucket!r} cannot be used: {said}", hint="see its KMS key policy")
    if code in _FULL or answer.status == 507:
        return BackendFull(f"bucket {bucket!r} is full ({code})", hint=f"make room there; {AGAIN}")
    return None


def no_conditions(bucket: str) -> BackendRefused:
    """Of a service that would let one writer undo what another did."""
    return BackendRefused(
        f"the service of bucket {bucket!r} does not honour If-Match and If-None-Match: two writers would lose notes",
        hint="use a service that has conditional writes, as AWS, or another backend",
    )
