"""What S3 Vectors answers instead of doing it, as what the user must do: which permission, or just wait."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from botocore import exceptions as aws

from vragd.backends.aws.errors import DENIED, Answer, check_no_page
from vragd.errors import BackendRefused, StoreMismatch, UnknownCollection, VragdError

TITLE = "S3 Vectors"
_OF_THE_REQUEST = re.compile(
    "ValidationException|ValidationError|SerializationException|InvalidParameter(Value|Exception)|InvalidRequest(Exception)?"
)


class Conflict(StoreMismatch):
    """What is to be made is there already."""


class Invalid(StoreMismatch):
    """
    AWS finds something wrong with the request itself: nothing else may be taken for a fault of what is in it. A proxy's
    refusal, a wrong clock or a service that is busy are no reason to send less.
    """


class TooMuch(Invalid):
    """A request of so many bytes is not let through, by AWS or by whoever is in between: less may be."""


RESULTS = {
    "GetIndex": "index", "GetVectors": "vectors", "ListIndexes": "indexes", "ListVectorBuckets": "vectorBuckets",
    "ListVectors": "vectors", "QueryVectors": "vectors",
}  # fmt: skip
"""What stands in an answer of AWS's, whatever it is."""


def check_answer(answer: Mapping[str, Any], operation: str) -> None:
    """Raise BackendUnavailable for a success that is somebody else's."""
    check_no_page(answer, operation, TITLE)
    if operation in RESULTS and RESULTS[operation] not in answer:
        raise Answer("", "", answer["ResponseMetadata"]["HTTPStatusCode"]).of_somebody_else(operation, TITLE)


def from_answer(
    error: aws.ClientError, operation: str, bucket: str, store: str | None, sent: Sequence[Mapping[str, Any]] = ()
) -> VragdError:
    """The error AWS answered with. `sent`: the vectors, and what went along with them."""
    answer = Answer.of(error, [vector.get("metadata") for vector in sent])
    code, said, status = answer.code, answer.said, answer.status
    if code == "NotFoundException":
        what = f"bucket {bucket!r} has no index {store!r}" if store else f"there is no vector bucket {bucket!r}"
        return UnknownCollection(f"{what} in this region", hint="check bucket and region")
    if status == 413 and operation == "PutVectors":
        return TooMuch("something between here and S3 Vectors, or AWS, finds a request too large (status 413)")
    if code == "ConflictException":
        return Conflict(f"{operation}: {said}")
    if code in DENIED:
        also = " (and s3vectors:GetVectors, for filters and metadata)" if operation == "QueryVectors" else ""
        return BackendRefused(
            f"AWS denies {operation} on {bucket!r}: {said}",
            hint=f"allow s3vectors:{operation}{also} on bucket/{bucket}" + (f"/index/{store}" if store else ""),
        )
    if code.startswith("Kms"):
        return BackendRefused(f"the key of bucket {bucket!r} cannot be used: {said}", hint="see its KMS key policy")
    if code == "ServiceQuotaExceededException":
        return BackendRefused(f"a quota of S3 Vectors is reached: {said}", hint="ask AWS for more, or make room")
    if usual := answer.usual(operation, TITLE):
        return usual
    if status == 400 and _OF_THE_REQUEST.fullmatch(code):
        return Invalid(f"S3 Vectors refuses {operation}: {code}: {said}")
    if not code or code.isdigit() or _OF_THE_REQUEST.fullmatch(code):  # an answer without a code of AWS's is not AWS's
        return answer.of_somebody_else(operation, TITLE)
    return BackendRefused(f"S3 Vectors refuses {operation}: {code}: {said}", hint="check the store's backend settings")
