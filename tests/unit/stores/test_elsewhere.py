"""An index in S3 Vectors, found, asked and deleted without a daemon; what a bucket and its place may be called."""

from __future__ import annotations

import datetime
import socket
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import ValidationError

from tests.backends import delete, keys, put
from tests.fakes.lucene import FakeNode
from tests.fakes.ollama import FakeOllama
from tests.fakes.s3vectors import FakeS3Vectors
from tests.world import World
from vragd.backends.base import CollectionInfo, Entry, VectorBackend
from vragd.backends.memory.backend import MemoryBackend
from vragd.backends.s3vectors.settings import S3VectorsBackend
from vragd.catalog.model import ChunkRow
from vragd.config.settings import check_store_name, no_embedder
from vragd.embed.base import Embedder
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.registry import create_embedder
from vragd.errors import EmbedderUnavailable, StoreMismatch, UnknownStore, UsageError
from vragd.notes.chunk import VERSION
from vragd.search.ask import Place, Question, Target, ask
from vragd.stores import elsewhere
from vragd.sync.vectors import to_entry

BUCKET = "my-vectors"
SPACE = "20240101" + 24 * "0"


@pytest.fixture
def bucket(s3: FakeS3Vectors) -> Iterator[VectorBackend]:
    settings = S3VectorsBackend(type="s3vectors", bucket=BUCKET, endpoint_url=s3.url, remote_text=True)
    with elsewhere.Place(settings) as place:
        yield place.backend


def made(bucket: VectorBackend, name: str, space: str = "") -> str:
    """An index of that name, made by vragd if it has a space."""
    bucket.create_collection(name, 8, "cosine", space=space, model="test/words" if space else "")
    return name


def age(s3: FakeS3Vectors, index: str, year: int) -> None:
    s3.moto.get_index(BUCKET, index, "").creation_time = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)  # type: ignore[attr-defined]


# -- which index is a store's ------------------------------------------------------------------------


def test_a_store_is_the_index_of_its_name(bucket: VectorBackend) -> None:
    made(bucket, "notes.20240101", SPACE)
    made(bucket, "notes", "a" * 32)
    assert elsewhere.resolve(bucket, "notes").name == "notes"
    assert elsewhere.resolve(bucket, "notes.20240101").name == "notes.20240101"


def test_without_that_it_is_the_oldest_of_those_that_succeeded_it(s3: FakeS3Vectors, bucket: VectorBackend) -> None:
    age(s3, made(bucket, "notes.aaaaaaaa", "a" * 32), 2026)
    age(s3, made(bucket, "notes.bbbbbbbb", "b" * 32), 2025)
    age(s3, made(bucket, "notes.cccccccc", "d" * 32), 2024)
    assert elsewhere.resolve(bucket, "notes").name == "notes.bbbbbbbb"


def test_a_successor_of_a_long_name_is_found_by_what_is_left_of_the_name(bucket: VectorBackend) -> None:
    name = made(bucket, "n" * 54 + ".aaaaaaaa", "a" * 32)
    assert elsewhere.resolve(bucket, "n" * 63).name == name
    assert [info.name for info in elsewhere.to_delete(bucket, "n" * 63)] == [name]


@pytest.mark.parametrize("space", ["", "a" * 32], ids=["not made by vragd", "of another space"])
def test_another_store_whose_name_ends_like_a_successors_is_left_alone(bucket: VectorBackend, space: str) -> None:
    made(bucket, "notes.20240101", space)
    with pytest.raises(UnknownStore) as caught:
        elsewhere.resolve(bucket, "notes")
    assert caught.value.hint == "there are: notes.20240101"
    with pytest.raises(UnknownStore):
        elsewhere.to_delete(bucket, "notes")
    made(bucket, "notes", SPACE)
    assert [info.name for info in elsewhere.to_delete(bucket, "notes")] == ["notes"]


def test_a_store_is_deleted_with_what_succeeded_it(bucket: VectorBackend) -> None:
    for name in ("notes", "notes.20240101", "notes.2024010", "notes.20240101x", "my-notes.20240101"):
        made(bucket, name, SPACE)
    assert [info.name for info in elsewhere.to_delete(bucket, "notes")] == ["notes", "notes.20240101"]


@pytest.mark.parametrize("name", ["nötes", "x y", "*", "notes/_count", "%s", "a", "\udcff", "notes\n"])
def test_what_is_no_name_of_a_store_is_the_name_of_none(name: str) -> None:
    """Of some servers it is a part of an address: none is asked for it, and no credentials are blamed."""
    with FakeNode("opensearch") as node:
        place = elsewhere.Place.named(f"opensearch+http://{node.host}", {})
        with place:
            place.backend.create_collection("notes", 8, "cosine")
            for call in (
                lambda: elsewhere.resolve(place.backend, name), lambda: elsewhere.to_delete(place.backend, name),
                lambda: elsewhere.query(place.backend, name, "coffee", [], mode="keyword"),
            ):  # fmt: skip
                with pytest.raises(UnknownStore) as caught:
                    call()
                assert caught.value.hint == "there are: notes"
            with pytest.raises(UsageError, match="is not 3 to 63 characters"):
                elsewhere.create(place.backend, name, BuiltinEmbedder(), "cosine")
            assert place.backend.list_collections() == ["notes"]


def test_a_bucket_without_indexes_says_so(bucket: VectorBackend) -> None:
    delete(bucket, made(bucket, "notes"))
    with pytest.raises(UnknownStore, match="notes") as caught:
        elsewhere.resolve(bucket, "notes")
    assert caught.value.hint == "vragd index fills one"


# -- which model it was written with -----------------------------------------------------------------


@dataclass
class Made:
    """The embedders that were made, and whether they were closed."""

    types: list[str]
    open: int = 0


@pytest.fixture
def embedders(monkeypatch: pytest.MonkeyPatch) -> Made:
    it = Made([])

    def create(kind: str, settings: Any, data_dir: Path | None) -> Embedder:
        embedder = create_embedder(kind, settings, data_dir)
        it.types.append(kind)
        it.open += 1
        close = embedder.close

        def closed() -> None:
            it.open -= 1
            close()

        monkeypatch.setattr(embedder, "close", closed)
        return embedder

    monkeypatch.setattr(elsewhere, "create_embedder", create)
    return it


def away() -> OllamaEmbedder:
    """A server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return OllamaEmbedder(type="ollama", model="away-embed", url=f"http://127.0.0.1:{probe.getsockname()[1]}")


def here(fake: FakeOllama, model: str = "fake-embed") -> OllamaEmbedder:
    return OllamaEmbedder(type="ollama", model=model, url=fake.url)


def test_the_builtin_model_is_not_loaded_for_an_index_of_ollama(
    bucket: VectorBackend, fake: FakeOllama, embedders: Made
) -> None:
    info = elsewhere.create(bucket, "notes", here(fake), "cosine")
    assert info.model == "ollama-fake-embed-latest"
    embedders.types.clear()
    found = elsewhere.embedder_for(info, [BuiltinEmbedder(), here(fake)])
    assert found.space(VERSION).meaning == info.space
    assert embedders.types == ["ollama"]
    found.close()
    assert embedders.open == 0


def test_the_builtin_model_is_first_for_an_index_of_its_own(bucket: VectorBackend, embedders: Made) -> None:
    with pytest.raises(UsageError, match="that embedder gives none"):
        elsewhere.create(bucket, "notes", no_embedder(), "cosine")
    info = elsewhere.create(bucket, "notes", BuiltinEmbedder(), "cosine")
    embedders.types.clear()
    elsewhere.embedder_for(info, [away(), BuiltinEmbedder()]).close()
    assert embedders.types == ["builtin"]
    assert embedders.open == 0


def test_the_mark_is_only_a_hint(fake: FakeOllama, embedders: Made) -> None:
    embedder = create_embedder("ollama", here(fake))
    info = CollectionInfo("notes", 64, "cosine", None, embedder.space(VERSION).meaning, "builtin-all-minilm-l6-v2")
    embedder.close()
    elsewhere.embedder_for(info, [here(fake), BuiltinEmbedder()]).close()
    assert embedders.types == ["builtin", "ollama"]
    assert embedders.open == 0


def test_an_embedder_that_is_away_does_not_hide_the_next(
    bucket: VectorBackend, fake: FakeOllama, embedders: Made
) -> None:
    info = elsewhere.create(bucket, "notes", here(fake), "cosine")
    moved = here(fake).model_copy(update={"url": away().url})
    not_allowed = OllamaEmbedder(type="ollama", model="fake-embed", url="http://203.0.113.1:11434")
    found = elsewhere.embedder_for(info, [not_allowed, moved, here(fake, "not-pulled"), here(fake)])
    assert found.space(VERSION).meaning == info.space
    found.close()
    assert embedders.open == 0


def test_an_embedder_that_is_away_is_the_error_where_no_other_is_the_one(
    bucket: VectorBackend, fake: FakeOllama, embedders: Made
) -> None:
    info = elsewhere.create(bucket, "notes", here(fake), "cosine")
    fake.digest = "b" * 64
    with pytest.raises(EmbedderUnavailable):
        elsewhere.embedder_for(info, [away(), here(fake)])
    with pytest.raises(StoreMismatch, match=r"of ollama-fake-embed-latest, not of ollama/fake-embed:latest"):
        elsewhere.embedder_for(info, [here(fake)])
    assert embedders.open == 0


# -- asking ------------------------------------------------------------------------------------------


TEXTS = {"Cooking/coffee.md": "brew coffee slowly", "Garden/roses.md": "prune roses in march"}


def filled(
    bucket: VectorBackend, fake: FakeOllama, index: str = "notes", texts: Mapping[str, str] = TEXTS
) -> None:  # fmt: skip
    """An index as a daemon fills it."""
    embedder = create_embedder("ollama", here(fake))
    space = embedder.space(VERSION)
    bucket.create_collection(index, space.dimension, "cosine", space=space.meaning, model=space.title)
    for i, (path, text) in enumerate(texts.items()):
        values = embedder.embed_documents([text])[0]
        chunk = ChunkRow(f"{'s' * 12}-{i}", b"", ("Steps", "First"), (3, 5), text)
        put(bucket, index, [to_entry("s" * 12, "Vault", path, path[:-3], chunk, values)])
    embedder.close()


def test_an_answer_is_made_of_what_the_index_holds(bucket: VectorBackend, fake: FakeOllama) -> None:
    filled(bucket, fake)
    answer = elsewhere.query(bucket, "notes", "brew coffee slowly", [here(fake)])
    first = answer["hits"][0]
    assert first.pop("score") == pytest.approx(1.0, abs=1e-3)
    assert first == {
        "store": "notes",
        "source": "Vault",
        "path": "Cooking/coffee.md",
        "title": "Cooking/coffee",
        "heading": ["Steps", "First"],
        "lines": [3, 5],
        "text": "brew coffee slowly",
        "uri": "",
    }
    assert len(answer["hits"]) == 2


def test_an_answer_can_be_narrowed_to_a_folder_and_a_number(
    s3: FakeS3Vectors, bucket: VectorBackend, fake: FakeOllama
) -> None:
    filled(bucket, fake)

    def paths(**narrowed: Any) -> list[str]:
        answer = elsewhere.query(bucket, "notes", "brew coffee slowly", [here(fake)], **narrowed)
        return [hit["path"] for hit in answer["hits"]]

    assert paths(folder="/Garden/") == ["Garden/roses.md"]
    assert paths(folder="Nowhere") == []
    assert paths(top_k=1) == ["Cooking/coffee.md"]
    with pytest.raises(UsageError):
        paths(top_k=0)
    assert s3.violations == []


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_folder_is_found_however_whoever_asks_composes_its_letters(
    bucket: VectorBackend, fake: FakeOllama, form: Literal["NFC", "NFD"]
) -> None:
    decomposed = unicodedata.normalize("NFD", "Café/crème")
    filled(bucket, fake, texts={f"{decomposed}/beans.md": "roast beans", "Cafe/x.md": "sweep floors"})
    folder = unicodedata.normalize(form, "Café/crème")
    hits = elsewhere.query(bucket, "notes", "beans", [here(fake)], folder=folder)["hits"]
    assert [hit["text"] for hit in hits] == ["roast beans"]


def test_a_successor_answers_for_its_store(bucket: VectorBackend, fake: FakeOllama) -> None:
    embedder = create_embedder("ollama", here(fake))
    index = f"notes.{embedder.space(VERSION).meaning[:8]}"
    embedder.close()
    filled(bucket, fake, index)
    hits = elsewhere.query(bucket, "notes", "roses", [here(fake)])["hits"]
    assert {hit["store"] for hit in hits} == {"notes"}
    assert elsewhere.counted(bucket, elsewhere.resolve(bucket, "notes"))["sources"] == {"s" * 12: 2}


def test_vectors_of_a_program_of_ones_own_are_of_no_source() -> None:
    backend = MemoryBackend()
    backend.create_collection("notes", 8, "cosine")
    named = ("a", "b-1", "2026-11-30", "s" * 12 + "-" + "0" * 32, "s" * 12 + "-" + "1" * 32)
    put(backend, "notes", [Entry(key, np.ones(8, dtype=np.float32)) for key in named])
    told = elsewhere.counted(backend, backend.collection_info("notes"))
    assert (told["vectors"], told["sources"]) == (5, {"s" * 12: 2})


def test_a_question_narrowed_to_a_source_the_store_has_not_asks_no_backend(
    s3: FakeS3Vectors, bucket: VectorBackend, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.write("a.md", "alpha")
    world.apply("a.md")
    store, source = world.store, world.source
    (key,) = keys(world.backend, world.collection)
    bucket.create_collection(world.collection, world.embedder.dimension, "cosine")
    put(bucket, world.collection, [Entry(key, world.embedder.embed_query("alpha"), {"source": source.uid})])
    places = {source.label: Place(source.uid, source.path, in_obsidian=False)}
    target = Target("sss", store.reader, bucket, store.space, world.embedder.embed_query, places)

    def asked(label: str) -> tuple[list[str], tuple[str, ...], int]:
        s3.forget_calls()
        answer = ask(target, Question("alpha", mode="vector", sources=frozenset({label})))
        return [hit.path for hit in answer.hits], answer.degraded, s3.calls["QueryVectors"]

    assert asked("elsewhere") == ([], (), 0)
    assert asked(source.label) == (["a.md"], (), 1)
    assert s3.violations == []
    store.close()


# -- names and places --------------------------------------------------------------------------------


def settings(**given: Any) -> S3VectorsBackend:
    return S3VectorsBackend.model_validate({"type": "s3vectors", "bucket": BUCKET, **given})


@pytest.mark.parametrize(
    "name", ["ab", "my.vectors", "-vectors", "vectors-", "my_vectors", "Vectors", "abc\n", "v" * 64]
)
def test_a_bucket_name_aws_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(
        ValidationError, match=r"bucket name .* is not 3 to 63 characters of a-z, 0-9 and '-', beginning"
    ):
        settings(bucket=name)


@pytest.mark.parametrize("name", ["abc", "0-9", "v" * 63])
def test_a_bucket_may_have_any_other_name(name: str) -> None:
    assert settings(bucket=name).bucket == name


def test_a_store_name_may_hold_dots_and_no_line_end() -> None:
    assert check_store_name("my.notes") == "my.notes"
    with pytest.raises(ValueError, match="not 3 to 63 characters"):
        check_store_name("notes\n")


@pytest.mark.parametrize(
    "url",
    [
        "https://host:abc",
        "https://host:",
        "https://host:0",
        "https://host:65536",
        "https://host:1:2",
        "https://host\n",
        "https://host/path",
        "https://me:secret@host",
        "http://host:9000",
        "http://127.0.0.1:abc",
        "http://127.0.0.1:99999",
        "host:9000",
        "",
    ],
)
def test_an_endpoint_that_is_no_url_or_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"expected https://HOST\[:PORT\]"):
        settings(endpoint_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://s3vectors.eu-central-1.api.aws",
        "https://Host:9000/",
        "https://[2001:db8::1]:443",
        "http://localhost:9000",
        "http://127.0.0.1:9000/",
        "http://[::1]:65535",
    ],
)
def test_an_endpoint_may_have_a_port(url: str) -> None:
    assert settings(endpoint_url=url).endpoint_url == url
