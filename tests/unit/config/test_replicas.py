"""Replicas in the configuration file."""

from __future__ import annotations

import pytest

from vragd.config.load import parse
from vragd.errors import ConfigError


def test_replicas_are_backends_with_names_of_ones_own() -> None:
    config = parse(
        "stores: {abc: {replicas: {here: {type: memory}, far-1: {type: s3, bucket: mine}}, answers: here}}", "file"
    )
    store = config.stores["abc"]
    assert [one.type for one in store.backends] == ["faiss", "memory", "s3"]
    assert store.elsewhere() == store.replicas["far-1"].where()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("replicas: {Here: {type: memory}}", "'Here' is not 1 to 40 characters"),
        ("replicas: {primary: {type: memory}}", "'primary' is not"),
        ("replicas: {here: {type: memory}}, answers: there", "no replica 'there', expected one of primary, here"),
        ("backend: {type: file, path: /v}, replicas: {b: {type: file, path: /v}}", "one place: file, /v"),
        ("metric: dot, replicas: {b: {type: s3vectors, bucket: mine}}", "s3vectors has the metrics"),
        ("replicas: {b: {type: memory, pth: 1}}", "unknown key 'stores.abc.replicas.b.pth'"),
    ],
)
def test_a_replica_that_cannot_be_is_told_with_the_way_out(settings: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"stores: {{abc: {{{settings}}}}}", "file")
    assert caught.value.message.startswith("file:1: ")
    assert said in caught.value.message
