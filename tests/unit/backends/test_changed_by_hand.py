"""What others changed on a server, told for what it is: on the stand-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from tests.fakes.lucene import FakeNode, Index
from tests.fakes.qdrant import FakeQdrant
from tests.unit.backends import qdrant_node
from tests.unit.backends.lucene_node import DIM, TYPES, entries, some
from vragd.backends.base import VectorBackend
from vragd.backends.conformance.holding import keys, put
from vragd.backends.lucene import layout
from vragd.backends.lucene.backend import LuceneBackend
from vragd.backends.pgvector import filters
from vragd.backends.plain import or_nothing
from vragd.errors import BackendRefused, CollectionMismatch, UnknownCollection

BROKEN = ["no", "[]", "null", '{"due": {"x": 1}}']


@pytest.fixture
def qdrant() -> Iterator[tuple[FakeQdrant, qdrant_node.Make]]:
    with FakeQdrant() as node, qdrant_node.made_on(node) as make:
        yield node, make


def _told(backend: VectorBackend, key: str) -> None:
    """An entry that is broken is another to who gets it, and refused to who asks."""
    whole = backend.get("sss", [key], metadata=True)[key]
    assert whole.values is not None and not (whole.metadata and whole.payload)
    with pytest.raises(BackendRefused, match="has an entry that is damaged") as caught:
        backend.query("sss", some(1)[0], 3, payload=True)
    assert caught.value.hint == "vragd verify names it, and with --repair mends it"
    assert len(backend.query("sss", some(1)[0], 3).items) == 3


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("field", ["properties", "payload"])
def test_a_document_that_somebody_broke_is_read_as_another_and_told_to_who_asks(
    backend: LuceneBackend, node: FakeNode, field: str, text: str
) -> None:
    put(backend, entries(3))
    node.indices["vragd-sss"].docs["k00001"][field] = text
    _told(backend, "k00001")


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("field", ["properties", "payload"])
def test_a_point_that_somebody_broke_is_read_as_another_and_told_to_who_asks(
    qdrant: tuple[FakeQdrant, qdrant_node.Make], field: str, text: str
) -> None:
    node, make = qdrant
    backend = make()
    backend.create_collection("sss", DIM, "cosine")
    put(backend, entries(3))
    points, _ = node.local.scroll("vragd-sss")
    (point,) = [it for it in points if (it.payload or {})["key"] == "k00001"]
    node.local.set_payload("vragd-sss", {field: text}, points=[point.id])
    _told(backend, "k00001")


@pytest.mark.parametrize("column", [[1], 3, {"due": {"us_": 1}, "n": {"float": "x", "us": None}}])
def test_a_row_that_somebody_broke_is_read_as_nothing(column: Any) -> None:
    assert or_nothing(filters.read, column) in ({}, {"due": None})


@pytest.mark.parametrize("kind", TYPES)
def test_an_index_that_does_not_keep_all_that_is_put_is_refused(kind: str) -> None:
    """What is patched there would lose its vector."""
    make, dialect, _ = TYPES[kind]
    settings = make.model_validate({"type": kind, "host": "127.0.0.1", "scheme": "http"})
    made = layout.creation(settings, dialect(settings), layout.CollectionInfo("sss", 8, "cosine", None, "", ""), ())
    described = json.loads(json.dumps({"vragd-sss": made}))

    def read() -> layout.Shape:
        return layout.shape(settings, dialect(settings), "sss", described)

    mappings = described["vragd-sss"]["mappings"]
    for whole in ({}, {"enabled": True}, {"enabled": "true"}, {"excludes": []}, {"mode": "stored"}):
        mappings["_source"] = whole
        assert read().aliased
    for part in ({"excludes": ["vec"]}, {"includes": ["key"]}, {"enabled": "false"}, {"mode": "synthetic"}):
        mappings["_source"] = part
        with pytest.raises(CollectionMismatch, match="its field '_source' was changed") as caught:
            read()
        assert (caught.value.what, "template" in caught.value.hint) == ("owner", True)
    del mappings["_source"]
    for narrow in ({"filter": {"term": {"key": "k"}}}, {"index_routing": "1"}, {"search_routing": "1"}):
        (alias,) = described["vragd-sss"]["aliases"]
        described["vragd-sss"]["aliases"][alias] = narrow
        with pytest.raises(UnknownCollection, match="has lost its alias"):
            layout.check_alias(read())
    for gone in ("dimension", "metric"):
        meta = dict(mappings["_meta"]["vragd"])
        del meta[gone]
        mappings["_meta"] = {"vragd": meta}
        with pytest.raises(CollectionMismatch, match="its field '_meta' was changed"):
            read()
        mappings["_meta"] = {"vragd": {**meta, gone: "manhattan"}}
        with pytest.raises(CollectionMismatch, match="its field '_meta' was changed"):
            read()
        mappings["_meta"] = json.loads(json.dumps(made["mappings"]["_meta"]))


def test_an_alias_that_somebody_led_elsewhere_is_missed_and_led_back(backend: LuceneBackend, node: FakeNode) -> None:
    put(backend, entries(3))
    ours = node.indices["vragd-sss"]
    (alias,) = ours.aliases
    node.indices["vragd-other"] = other = Index({"mappings": ours.mappings, "settings": ours.settings})
    other.aliases, ours.aliases = {alias}, set()
    with pytest.raises(UnknownCollection, match="has lost its alias"):
        backend.query("sss", some(1)[0], 3)
    backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    assert (ours.aliases, other.aliases) == ({alias}, set())
    assert len(backend.query("sss", some(1)[0], 3).items) == 3
    other.aliases = {alias}
    backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    assert (ours.aliases, other.aliases) == ({alias}, set())


def test_a_document_of_somebody_else_is_no_vector_of_ours(backend: LuceneBackend, node: FakeNode) -> None:
    put(backend, entries(2))
    index = node.indices["vragd-sss"]
    index.docs["theirs"] = {"vec": np.ones(DIM).tolist()}
    index.refresh()
    assert sorted(keys(backend)) == ["k00000", "k00001"]
    assert len(backend.query("sss", some(1)[0], 3, payload=True).items) == 2


def test_a_point_of_somebody_else_is_no_vector_of_ours(qdrant: tuple[FakeQdrant, qdrant_node.Make]) -> None:
    node, make = qdrant
    backend = make()
    backend.create_collection("sss", DIM, "cosine")
    put(backend, entries(2))
    node.local.upsert("vragd-sss", [models.PointStruct(id=1, vector=[1.0] * DIM, payload={"mine": 1})])
    assert sorted(keys(backend)) == ["k00000", "k00001"]
    assert len(backend.query("sss", some(1)[0], 3, payload=True).items) == 2


def test_a_collection_whose_metadata_somebody_changed_is_refused(
    qdrant: tuple[FakeQdrant, qdrant_node.Make],
) -> None:
    node, make = qdrant
    make().create_collection("sss", DIM, "cosine")
    meta = dict((node.local.get_collection("vragd-sss").config.metadata or {})["vragd"])
    size = node.local.get_collection("vragd-sss").config.params.vectors
    for changed in ({"metric": "manhattan"}, {"metric": None}, {"identity": None}):
        node.local.delete_collection("vragd-sss")
        node.local.create_collection("vragd-sss", vectors_config=size, metadata={"vragd": meta | changed})
        with pytest.raises(CollectionMismatch, match="not as vragd made them"):
            make().collection_info("sss")
