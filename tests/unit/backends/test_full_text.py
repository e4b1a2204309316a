"""
Words that a server finds by its own full text: where one has yet to be made, and where there is none. What is found is
in `vragd.backends.conformance.wording`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from tests.backends import put
from tests.fakes.lucene import FakeNode
from tests.fakes.s3vectors import FakeS3Vectors
from tests.unit.backends.lucene_node import DIM, Make, some
from vragd.backends.base import Batch, Entry, VectorBackend
from vragd.backends.conformance import wording
from vragd.backends.conformance.holding import DIM as CONTRACT_DIM
from vragd.backends.registry import create_backend
from vragd.backends.s3vectors.settings import Settings
from vragd.errors import Unsupported

WORDING = [check for name, check in sorted(vars(wording).items()) if name.startswith("check_")]


def coffee(version: str = "a" * 16) -> list[Entry]:
    return [Entry("k0", some(1)[0], {}, {"title": "Brewing", "content": "water just off the boil"}, version)]


# -- an index of words that comes later ----------------------------------------------------------------


def test_text_that_is_kept_from_now_on_is_found_and_all_is_put_again_for_it(node: FakeNode, make: Make) -> None:
    before = make()
    place = before.create_collection("sss", DIM, "cosine").place
    put(before, "sss", coffee())
    with pytest.raises(Unsupported, match="holds no text") as caught:
        before.query_words("sss", "boil", 5)
    assert "remote_text" in caught.value.hint
    now = make(remote_text=True)
    info = now.create_collection("sss", DIM, "cosine")
    assert info.place != place, "so that whoever feeds it puts all of it again"
    assert list(now.query_words("sss", "boil", 5).items) == []
    put(now, "sss", coffee("b" * 16))
    assert [match.key for match in now.query_words("sss", "boil", 5).items] == ["k0"]


def test_an_index_that_kept_text_before_it_was_looked_into_is_put_again(node: FakeNode, make: Make) -> None:
    made = make(remote_text=True)
    whole = made.create_collection("sss", DIM, "cosine").place
    (index,) = node.indices.values()
    del index.mappings["properties"]["words"]  # as a version before this made it
    put(make(remote_text=True), "sss", coffee())
    later = make(remote_text=True)
    assert later.collection_info("sss").place != whole
    assert later.create_collection("sss", DIM, "cosine").place == whole


def test_who_may_not_change_the_mapping_goes_on_without_words(node: FakeNode, make: Make) -> None:
    make().create_collection("sss", DIM, "cosine")
    node.denies = lambda method, path: method == "PUT" and path.endswith("/_mapping")
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", coffee())
    assert backend.get("sss", ["k0"], metadata=True)["k0"].payload["content"] == "water just off the boil"
    with pytest.raises(Unsupported):
        backend.query_words("sss", "boil", 5)


def test_who_keeps_no_text_puts_none_into_an_index_that_has_some(node: FakeNode, make: Make) -> None:
    make(remote_text=True).create_collection("sss", DIM, "cosine")
    backend = make()
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", coffee())
    (index,) = node.indices.values()
    (held,) = index.docs.values()
    assert "words" not in held
    assert "boil" not in str(held)


def test_text_that_is_kept_no_longer_is_gone_from_the_server_with_all_its_words(node: FakeNode, make: Make) -> None:
    kept = make(remote_text=True)
    kept.create_collection("sss", DIM, "cosine")
    put(kept, "sss", [*coffee(), replace(coffee()[0], key="k1")])
    without = make()
    batch = [replace(coffee("c" * 16)[0], values=None)]
    without.put_metadata("sss", Batch.of(batch))
    (index,) = node.indices.values()
    assert ["boil" in str(held) for held in index.docs.values()] == [False, True]
    assert [match.key for match in without.query_words("sss", "boil", 5).items] == ["k1"]
    assert list(without.query_words("sss", "nowhereatall", 5).items) == []
    without.put_metadata("sss", Batch.of([replace(one, key="k1") for one in batch]))
    for _ in range(2):
        with pytest.raises(Unsupported, match="holds no text") as caught:
            without.query_words("sss", "boil", 5)
    assert "remote_text" in caught.value.hint
    put(kept, "sss", coffee("d" * 16))
    assert [match.key for match in without.query_words("sss", "boil", 5).items] == ["k0"]


def test_an_index_tells_whether_words_are_found_in_it(node: FakeNode, make: Make) -> None:
    before = make()
    assert before.create_collection("sss", DIM, "cosine").detail["words"] == "not indexed"
    make(remote_text=True).create_collection("sss", DIM, "cosine")
    assert before.collection_info("sss").detail["words"] == "indexed"


# -- S3 Vectors: whoever owns the index configures it ---------------------------------------------------


def configured(s3: FakeS3Vectors, name: str, key: str) -> None:
    client = boto3.client("s3vectors", region_name="eu-central-1", endpoint_url=s3.url)
    client.update_metadata_configuration(
        vectorBucketName="bbb", indexName=name, add={"textSearchConfigurations": [{"metadataKey": key}]}
    )
    client.close()


def in_bucket(s3: FakeS3Vectors, **given: Any) -> VectorBackend:
    settings = Settings.model_validate({"type": "s3vectors", "bucket": "bbb", "endpoint_url": s3.url, **given})
    return create_backend("s3vectors", settings, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("check", WORDING, ids=lambda check: str(check.__name__))
def test_the_contract_of_words_holds_on_an_index_that_is_configured(
    s3: FakeS3Vectors, check: Callable[[Callable[[], VectorBackend]], None]
) -> None:
    in_bucket(s3).create_collection("sss", CONTRACT_DIM, "cosine")
    configured(s3, "sss", "payload")
    check(lambda: in_bucket(s3, remote_text=True))
    assert s3.violations == []
    assert s3.calls["QueryVectors"] > 1


@pytest.mark.parametrize("what", ["nothing", "another key", "not built yet"])
def test_an_index_without_a_full_text_that_is_built_says_so_and_asks_nothing(s3: FakeS3Vectors, what: str) -> None:
    backend = in_bucket(s3, remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", coffee())
    s3.builds = what == "not built yet"
    if what != "nothing":
        configured(s3, "sss", "payload" if s3.builds else "content")
    with pytest.raises(Unsupported, match="no full text that is built"):
        in_bucket(s3, remote_text=True).query_words("sss", "boil", 5)  # type: ignore[attr-defined]
    assert (s3.calls["QueryVectors"], s3.violations) == (0, [])
