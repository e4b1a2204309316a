"""Imported by the process that forks lives of a store, and by no other."""

import gc

import boto3

from tests.faults import crash_life, crash_scenarios
from vragd.notes import chunk
from vragd.terms.backends import TYPES


def warm() -> None:
    """What each process would do again, and takes longer than all the rest: imports at first use, botocore's data."""
    crash_life.embedder_of("1").embed_query("")
    chunk.read_note(crash_scenarios.note("a", "one", title="A").encode(), "a")
    chunk.versions()
    for kind in TYPES.ours:
        TYPES.load(kind, "backend")
    session = boto3.Session(region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    for service in ("s3", "s3vectors"):
        session.client(service).close()
    setattr(boto3, "Session", lambda **_: session)  # noqa: B010


warm()
gc.freeze()  # else each life copies all of it to count references
__all__ = ["crash_scenarios"]
