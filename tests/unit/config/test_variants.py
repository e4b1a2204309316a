"""What each type of backend and embedder says of itself by its settings, and that nothing of them is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tests.conformance.factories import EVERY as EVERY_BACKEND
from tests.conformance.factories import FACTORIES
from vragd.backends.registry import create_backend
from vragd.backends.settings import BackendSettings
from vragd.config.load import Loaded, parse
from vragd.config.settings import AnyEmbedder, Config, StoreSettings, of_model
from vragd.embed.settings import EmbedderSettings, of_record
from vragd.errors import ConfigError, UsageError
from vragd.server.schemas import IndexRequest, StoreRequest
from vragd.stores.elsewhere import Place
from vragd.stores.registry import Registry
from vragd.system.packages import Types
from vragd.terms import backends, embedders
from vragd.terms.settings import default_backend, default_embedder

# Every field of every type, none with its default: what is dropped on the way is missed.
LUCENE: dict[str, Any] = {
    "ca_file": "/etc/ca.pem", "prefix": "mine-", "index": "hnsw", "m": 24, "ef_construction": 200, "candidates": 300,
    "replicas": 2, "pool_size": 5, "remote_text": True, "timeout_s": 20.0, "query_timeout_s": 4.0,
}  # fmt: skip
BACKENDS: dict[str, dict[str, Any]] = {
    "elasticsearch": {
        "host": "127.0.0.1:9201,localhost", "scheme": "http", "user": "me", "password_file": "/etc/vragd/word",
        "api_key_file": "/etc/vragd/key", **LUCENE,
    },
    "faiss": {"index": "hnsw"},
    "memory": {},
    "opensearch": {
        "host": "127.0.0.1:9201,localhost", "scheme": "http", "user": "me", "password_file": "/etc/vragd/word",
        "engine": "faiss", "region": "eu-central-1", "profile": "work", **LUCENE,
    },
    "pgvector": {
        "host": "127.0.0.1:5433,localhost", "database": "notes", "user": "me", "passfile": "/etc/vragd/pgpass",
        "sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "schema_name": "mine", "prefix": "v_",
        "vector_type": "halfvec", "index": "hnsw", "m": 24, "ef_construction": 100, "ef_search": 300, "lists": 50,
        "build_memory_mib": 256,
        "probes": 20, "pool_size": 5, "remote_text": True, "timeout_s": 20.0, "query_timeout_s": 4.0,
    },
    "qdrant": {
        "host": "127.0.0.1:6335,localhost", "scheme": "http", "api_key_file": "/etc/vragd/key",
        **{key: it for key, it in LUCENE.items() if key not in ("candidates", "replicas")}, "ef_search": 300,
    },
    "s3": {
        "bucket": "my-bucket", "prefix": "notes/of mine", "region": "eu-central-1", "profile": "work",
        "endpoint_url": "http://127.0.0.1:9000", "addressing": "virtual", "remote_text": True, "timeout_s": 20.0,
        "query_timeout_s": 5.0,
    },
    "s3vectors": {
        "bucket": "my-vectors", "region": "eu-central-1", "profile": "work", "endpoint_url": "http://127.0.0.1:9000",
        "remote_text": True, "timeout_s": 20.0, "query_timeout_s": 5.0,
    },
    "file": {"path": "/var/lib/vectors", "remote_text": True},
    "sqlite": {"path": "/var/lib/vectors.db", "remote_text": True},
}  # fmt: skip
EMBEDDERS: dict[str, dict[str, Any]] = {
    "builtin": {"threads": 3},
    "none": {},
    "ollama": {
        "model": "embeddinggemma", "url": "http://10.0.0.1:11434", "allow_remote": True, "batch_size": 3,
        "timeout_s": 90.0, "query_timeout_s": 4.0, "keep_alive": "1h", "dimensions": 256,
    },
    "onnx": {
        "path": None, "model": "intfloat/multilingual-e5-small", "revision": "v1", "local_files_only": True,
        "weights": "onnx/model_fp16.onnx", "threads": 2, "dimensions": 64,
        "document_prompt": "passage: {text}", "query_prompt": "query: {text}",
    },
    "openai": {
        "model": "m", "query_model": "q", "url": "https://10.0.0.1:8080/v1", "allow_remote": True,
        "key_file": "/etc/vragd/key", "key_env": "MY_KEY",
        "dimensions": 256, "document_prompt": "passage: {text}", "query_prompt": "query: {text}", "batch_size": 30,
        "batch_chars": 50_000, "timeout_s": 80.0, "query_timeout_s": 4.0,
        "monthly_tokens": 1_000_000, "monthly_cost": 2.5, "price_per_million": 0.5,
    },
}  # fmt: skip
INSTEAD = {"onnx": ["path"]}
"""Fields that cannot be beside others above, and have a test of their own."""
EVERY = [(backends.TYPES, name, given) for name, given in BACKENDS.items()]
EVERY += [(embedders.TYPES, name, given) for name, given in EMBEDDERS.items()]


def made(types: Types, name: str, given: dict[str, Any]) -> Any:
    return types.settings(name).model_validate({"type": name, **given})


def backend(name: str, **changes: Any) -> BackendSettings:
    settings: BackendSettings = made(backends.TYPES, name, BACKENDS[name] | changes)
    return settings


def embedder(name: str, **changes: Any) -> EmbedderSettings:
    settings: EmbedderSettings = made(embedders.TYPES, name, EMBEDDERS[name] | changes)
    return settings


def test_every_type_and_every_field_is_tried_here_with_another_value_than_its_default() -> None:
    assert set(BACKENDS) == set(backends.REGISTRY)
    assert set(EMBEDDERS) == set(embedders.REGISTRY)
    for types, name, given in EVERY:
        fields = types.settings(name).model_fields
        assert {"type", *given} == set(fields)
        as_by_default = [key for key, value in given.items() if fields[key].default == value]
        assert as_by_default == INSTEAD.get(name, [])


def test_a_field_that_is_instead_of_others_comes_back_from_json() -> None:
    for given in ({"path": "/models/e5"}, {"path": "/models/e5", "weights": "model_q4.onnx", "threads": 2}):
        settings = made(embedders.TYPES, "onnx", given)
        assert type(settings).model_validate_json(settings.model_dump_json()) == settings
        assert of_record(settings.model_dump_json(exclude_defaults=True)) == settings, "as it was kept before"


@pytest.mark.parametrize(("types", "name", "given"), EVERY, ids=lambda it: it if isinstance(it, str) else "")
def test_settings_of_a_store_come_back_whole_from_json(types: Types, name: str, given: dict[str, Any]) -> None:
    store = StoreSettings(**{types.noun: {"type": name, **given}})
    wanted = made(types, name, given)
    assert getattr(store, types.noun) == wanted
    assert json.loads(store.model_dump_json())[types.noun] == {"type": name, **given}
    assert store.model_dump()[types.noun] == store.model_dump(mode="json")[types.noun] == {"type": name, **given}
    assert StoreSettings.model_validate_json(store.model_dump_json()) == store
    assert StoreSettings.model_validate(json.loads(store.model_dump_json())) == store
    assert Config(stores={"notes": store}).model_dump()["stores"]["notes"][types.noun] == {"type": name, **given}
    assert getattr(StoreRequest.model_validate({"name": "notes", types.noun: {"type": name, **given}}), types.noun)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_store_made_by_a_command_keeps_all_its_settings(name: str, tmp_path: Path) -> None:
    for other in EMBEDDERS:
        registry = Registry(Loaded(Config(), None, tmp_path / f"data-{other}", tmp_path / "s"))
        (registry.root.parent).mkdir(mode=0o700)
        settings = StoreSettings(backend=backend(name), embedder=embedder(other))
        registry.create("notes", settings)
        assert registry.entries()["notes"].settings == settings


def test_a_store_whose_package_is_gone_keeps_its_data_and_does_not_keep_others_from_starting(tmp_path: Path) -> None:
    registry = Registry(Loaded(Config(), None, tmp_path / "data", tmp_path / "s"))
    registry.root.parent.mkdir(mode=0o700)
    for name in ("notes", "other"):
        registry.create(name, StoreSettings())
    file = registry.folder("notes") / "store.json"
    written = file.read_text().replace('"faiss"', '"gone"')
    file.write_text(written)
    entries = registry.entries()
    assert (entries["notes"].settings, entries["other"].settings) == (None, StoreSettings())
    assert file.read_text() == written


def test_an_unsaid_backend_of_an_index_request_is_none_and_a_said_one_keeps_what_was_said() -> None:
    asked = {"store": "notes", "path": "/a", "include": ["*.md"]}
    assert IndexRequest.model_validate(asked).backend is None
    said = {"type": "s3vectors", "bucket": "my-vectors"}
    chosen = IndexRequest.model_validate({**asked, "backend": said}).backend
    assert chosen is not None
    assert chosen.model_fields_set == {"type", "bucket"}


def test_an_embedder_that_was_recorded_is_read_again() -> None:
    for name in EMBEDDERS:
        settings = embedder(name)
        record = settings.model_dump_json()
        assert of_record(record) == settings == TypeAdapter(AnyEmbedder).validate_json(record)


@pytest.mark.parametrize("record", ['{"type": "builtin", "gone": 1}', '{"type": 3}', "{}", "[]", "null", "{", ""])
def test_a_record_that_is_no_settings_is_refused(record: str) -> None:
    with pytest.raises(ValueError):
        of_record(record)


def test_a_record_of_a_type_that_is_gone_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown embedder type 'gone'"):
        of_record('{"type": "gone"}')


def test_a_store_that_says_nothing_gets_the_defaults() -> None:
    assert (StoreSettings().backend, StoreSettings().embedder) == (default_backend(), default_embedder())
    assert (default_backend().type, default_embedder().type) == (backends.DEFAULT, embedders.DEFAULT)


@pytest.mark.parametrize("value", [None, 3, [], "faiss", {}, {"type": 3}, {"type": None}, {"type": ["faiss"]}])
def test_what_has_no_type_is_refused(value: Any) -> None:
    for key in ("backend", "embedder"):
        with pytest.raises(ValidationError):
            StoreSettings(**{key: value})


def test_settings_of_another_part_are_refused() -> None:
    with pytest.raises(ValidationError):
        StoreSettings(backend=embedder("builtin"))
    with pytest.raises(ValidationError):
        StoreSettings(embedder=backend("faiss"))


# -- what they say ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY_BACKEND)
def test_the_metrics_of_the_settings_are_those_of_the_backend(name: str, tmp_path: Path) -> None:
    kind = name.partition("-")[0]
    assert backends.TYPES.settings(kind).metrics == FACTORIES[name](tmp_path).traits.metrics


def test_a_metric_the_backend_lacks_is_refused_with_those_it_has() -> None:
    text = "stores:\n  notes:\n    metric: dot\n    backend: {type: s3vectors, bucket: my-vectors}\n"
    with pytest.raises(ConfigError, match="backend s3vectors has the metrics cosine and euclidean, not dot"):
        parse(text, "c.yaml")


def test_only_a_shared_place_has_a_name() -> None:
    for name in BACKENDS:
        assert bool(backend(name).where()) == backend(name).shared
    assert backend("s3vectors").where() == "bucket my-vectors"
    assert backend("s3").where() == "s3://my-bucket/notes/of mine"
    assert backend("s3", prefix="").where() == "s3://my-bucket"


def test_what_leaves_the_machine_says_so() -> None:
    assert [name for name in BACKENDS if backend(name).leaves_machine()] == []
    for name in ("s3", "s3vectors"):
        assert backend(name, endpoint_url=None).leaves_machine()
        assert backend(name, endpoint_url="https://s3.example.org").leaves_machine()
        assert not backend(name, endpoint_url="http://localhost").leaves_machine()
        for wrong in ("http://s3.example.org", "https://me:x@s3.example.org", "ftp://localhost", "https://x:0"):
            with pytest.raises(ValidationError, match="expected https://HOST"):
                backend(name, endpoint_url=wrong)
    assert not embedder("builtin").leaves_machine()
    assert embedder("ollama").leaves_machine()
    assert not embedder("ollama", allow_remote=False).leaves_machine()
    assert embedder("openai").leaves_machine()
    assert not embedder("openai", allow_remote=False).leaves_machine()
    assert {name: embedder(name).sends_to for name in EMBEDDERS} == {
        "builtin": "", "none": "", "ollama": "10.0.0.1", "onnx": "", "openai": "10.0.0.1",
    }  # fmt: skip
    assert (embedder("openai", url="http://127.0.0.1:1/v1", key_file=None, key_env=None).sends_to) == ""
    assert [name for name in EMBEDDERS if embedder(name).is_english] == ["builtin"]


def test_the_longest_call_is_that_of_the_timeout() -> None:
    assert {name: backend(name).longest_call_s for name in BACKENDS} == {
        "elasticsearch": 60, "faiss": 0, "file": 0, "memory": 0, "opensearch": 60, "pgvector": 40,
        "qdrant": 60, "s3": 20, "s3vectors": 20, "sqlite": 0,
    }  # fmt: skip
    assert {name: embedder(name).longest_call_s for name in EMBEDDERS} == {
        "builtin": 0,
        "none": 0,
        "ollama": 90,
        "onnx": 0,
        "openai": 80,
    }


def test_the_same_place_keeps_what_is_not_said_anew() -> None:
    had = backend("s3vectors")
    given = backends.TYPES.settings("s3vectors")(type="s3vectors", bucket="my-vectors", region="us-east-1")
    assert had.merged(given) == backend("s3vectors", region="us-east-1")
    elsewhere = backends.TYPES.settings("s3vectors")(type="s3vectors", bucket="other")
    assert had.merged(elsewhere) == elsewhere
    assert had.merged(None) == had
    assert had.merged(backend("faiss")) == backend("faiss")
    assert backend("faiss").merged(default_backend()) == default_backend()
    assert backend("faiss").merged(had) == had


def test_a_url_names_a_place_and_how_it_is_reached() -> None:
    s3vectors = backends.TYPES.settings("s3vectors")
    url = "s3vectors://my-vectors?region=eu-central-1&profile=work&endpoint_url=http%3A%2F%2F127.0.0.1%3A9000"
    assert s3vectors.from_url(url) == backend("s3vectors", remote_text=False, timeout_s=10, query_timeout_s=3)
    assert s3vectors.from_url("s3vectors://my-vectors").model_fields_set == {"type", "bucket"}
    for wrong in ("My_Vectors", "a%2Fb-c", "my-vectors/x", "my-vectors?regoin=x", "", "my-vectors?region="):
        with pytest.raises(ValidationError):
            s3vectors.from_url(f"s3vectors://{wrong}")
    with pytest.raises(UsageError, match="faiss is no backend that others reach by a name"):
        backends.TYPES.settings("faiss").from_url("faiss://here")


def test_a_url_names_a_bucket_and_what_is_below_it() -> None:
    s3 = backends.TYPES.settings("s3")
    url = (
        "s3://my-bucket/notes/of%20mine/?region=eu-central-1&profile=work&endpoint_url=http%3A%2F%2F127.0.0.1%3A9000"
        "&addressing=virtual&remote_text=true&timeout_s=20&query_timeout_s=5"
    )
    assert s3.from_url(url) == backend("s3")
    assert s3.from_url("s3://my.bucket").prefix == ""
    for wrong in (
        "My_Bucket", "ab", "", "my-bucket/a//b", "my-bucket/../b", "my-bucket/a%0Ab", f"my-bucket/{'x' * 513}",
        "my-bucket?regoin=x", "my-bucket?remote_text=maybe", "my-bucket?timeout_s=soon", "me:planted@my-bucket",
    ):  # fmt: skip
        with pytest.raises(ValidationError) as caught:
            s3.from_url(f"s3://{wrong}")
        assert "planted" not in str(caught.value.errors(include_input=False, include_url=False))
    with pytest.raises(UsageError, match="prefix cannot be in a URL's keys"):
        s3.from_url("s3://my-bucket/a?prefix=b")


def test_only_what_suits_few_vectors_says_so_above_so_many() -> None:
    assert [name for name in BACKENDS if backend(name).advice()] == ["s3", "file"]
    said = "s3 suits up to 10,000 vectors; for more: s3vectors or pgvector"
    assert [bool(backend("file").advice(n)) for n in (100_000, 100_001)] == [False, True]
    assert [backend("s3").advice(n) for n in (None, 0, 10_000, 10_001)] == [said, "", "", said]


def test_the_title_begins_like_that_of_the_space() -> None:
    assert default_embedder().title == "builtin"
    assert of_model("embeddinggemma").title == "ollama/embeddinggemma"
    with pytest.raises(ValidationError):
        of_model("")


# -- what is loaded ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_settings_of_every_type_load_nothing_of_what_they_configure() -> None:
    code = (
        "import sys; import vragd.config.load, vragd.server.schemas\n"
        "heavy = {'faiss', 'boto3', 'botocore', 'onnxruntime', 'tokenizers', 'ollama', 'httpx', 'psycopg'}\n"
        "print(sorted(heavy & set(sys.modules)), 'importlib.metadata' in sys.modules)"
    )
    light = "import sys; import vragd.config.load; print(sorted({'numpy', 'faiss', 'boto3'} & set(sys.modules)))"
    run = [sys.executable, "-c"]
    assert subprocess.run([*run, code], capture_output=True, text=True, check=True).stdout.startswith("[] ")
    assert subprocess.run([*run, light], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
def test_the_registries_load_the_standard_library_alone() -> None:
    code = (
        "import sys; import vragd.backends.registry, vragd.embed.registry, vragd.terms.backends\n"
        "print(sorted({'pydantic', 'numpy', 'yaml', 'importlib.metadata'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_type_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown backend type 'fais'") as caught:
        create_backend("fais", None, Path())
    known = "known: elasticsearch, faiss, file, memory, opensearch, pgvector, qdrant, s3, s3vectors, sqlite"
    assert caught.value.hint == f"did you mean 'faiss'? {known}"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("es", "elasticsearch"), ("elastic", "elasticsearch"), ("ElasticSearch", "elasticsearch"),
        ("postgres", "pgvector"), ("s3_vectors", "s3vectors"), ("opensaerch", "opensearch"), ("zzz", ""),
        ("postgressql", "pgvector"), ("Postgre", "pgvector"), ("mysql", ""),
    ],
)  # fmt: skip
def test_an_unknown_type_in_the_file_names_the_one_that_is_meant(given: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"stores:\n  notes:\n    backend:\n      type: {given}\n", "c.yaml")
    told = caught.value.message
    assert f"stores.notes.backend: unknown backend type {given!r}; " in told
    assert (f"did you mean {meant!r}?" in told) == bool(meant)
    assert "there are elasticsearch, faiss" in told
    assert "tag" not in told


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("file:/x?remote_text=true", {"remote_text": True}),
        ("s3://my-bucket/a?timeout_s=2.5&remote_text=false", {"timeout_s": 2.5, "remote_text": False}),
        ("s3://my-bucket/a?region=7", {"region": "7"}),
        ("s3vectors://my-bucket?timeout_s=2&remote_text=true", {"timeout_s": 2.0, "remote_text": True}),
        ("opensearch+http://127.0.0.1?replicas=1&prefix=2024-&m=8", {"replicas": 1, "prefix": "2024-", "m": 8}),
        ("qdrant+http://127.0.0.1:6335?m=8&index=hnsw&ef_search=50", {"m": 8, "index": "hnsw", "ef_search": 50}),
        ("postgresql://127.0.0.1/d?m=8&timeout_s=3&prefix=v_", {"m": 8, "timeout_s": 3.0, "prefix": "v_"}),
    ],
)  # fmt: skip
def test_the_keys_of_a_url_are_what_the_settings_of_these_names_take(url: str, given: dict[str, Any]) -> None:
    settings = Place.named(url, {}).settings
    assert {key: getattr(settings, key) for key in given} == given
