"""What `--backend`, `--bucket` and the flags beside them mean."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from vragd.cli import bucket
from vragd.cli.main import main, parser
from vragd.errors import ConfigError, UsageError


def given(*flags: str) -> argparse.Namespace:
    return parser().parse_args(["store", "list", *flags])


def test_a_name_is_a_bucket_and_flags_say_how_it_is_reached() -> None:
    flags = ("--region", "eu-central-1", "--profile", "me & you", "--endpoint-url", "http://127.0.0.1:9000")
    chosen = bucket.chosen(given("--bucket", "my-vectors", *flags)).settings
    assert chosen.model_dump(mode="json", exclude_unset=True) == {
        "type": "s3vectors", "bucket": "my-vectors", "region": "eu-central-1", "profile": "me & you",
        "endpoint_url": "http://127.0.0.1:9000",
    }  # fmt: skip


def test_all_that_ones_stores_are_kept_in_is_not_asked_of_one_place(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--backend", "sqlite:x.db"], ["--bucket"]):
        assert main(["store", "list", "--all", *flags]) == 2
        assert "Try: leave it out" in capsys.readouterr().err


def test_a_url_says_the_type_too() -> None:
    url = "s3vectors://my-vectors?region=eu-central-1"
    chosen = bucket.chosen(given("--bucket", url, "--profile", "work")).settings
    assert chosen.model_dump(exclude_unset=True) == {
        "type": "s3vectors", "bucket": "my-vectors", "region": "eu-central-1", "profile": "work",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["My_Vectors", "a/b", "a?region=x", "a#b", "a%2Fb", "ab", "", "my vectors", "é" * 5])
def test_a_name_that_cannot_be_a_bucket_is_refused_as_it_was_given(name: str) -> None:
    with pytest.raises(UsageError, match="--bucket: bucket name") as caught:
        bucket.chosen(given("--bucket", name))
    assert f"{name!r} is not 3 to 63" in caught.value.message


def test_the_flag_at_fault_is_named() -> None:
    with pytest.raises(UsageError, match="--endpoint-url: expected https://"):
        bucket.chosen(given("--bucket", "my-vectors", "--endpoint-url", "http://example.org"))
    with pytest.raises(UsageError, match="--profile: "):
        bucket.chosen(given("--bucket", "my-vectors", "--profile", ""))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "pgvector"])
@pytest.mark.parametrize("flag", ["--backend", "--bucket"])
def test_a_database_is_named_by_the_url_its_own_clients_take(flag: str, scheme: str) -> None:
    chosen = bucket.chosen(given(flag, f"{scheme}://me@db.example.org:5433/notes?prefix=a_")).settings
    assert chosen.model_dump(mode="json", exclude_unset=True) == {
        "type": "pgvector", "host": "db.example.org:5433", "database": "notes", "user": "me", "prefix": "a_",
    }  # fmt: skip


def test_a_bucket_may_be_named_as_a_backend() -> None:
    chosen = bucket.chosen(given("--backend", "s3vectors://my-vectors?region=eu-central-1", "--profile", "work"))
    assert chosen.where() == "bucket my-vectors"


def test_a_prefix_in_a_bucket_may_be_named_as_a_backend() -> None:
    flags = ("--region", "eu-central-1", "--endpoint-url", "http://127.0.0.1:9000")
    for flag in ("--backend", "--bucket"):
        chosen = bucket.chosen(given(flag, "s3://my-bucket/a/b?profile=work", *flags)).settings
        assert chosen.model_dump(mode="json", exclude_unset=True) == {
            "type": "s3", "bucket": "my-bucket", "prefix": "a/b", "region": "eu-central-1", "profile": "work",
            "endpoint_url": "http://127.0.0.1:9000",
        }  # fmt: skip
    with pytest.raises(UsageError, match="--backend: prefix: expected names"):
        bucket.chosen(given("--backend", "s3://my-bucket/a//b"))


def test_two_places_are_refused_and_so_is_a_backend_without_a_type() -> None:
    with pytest.raises(UsageError, match="--backend and --bucket both"):
        bucket.wanted(given("--backend", "postgresql://localhost/notes", "--bucket", "my-vectors"))
    with pytest.raises(UsageError, match="--backend: expected TYPE://PLACE"):
        bucket.chosen(given("--backend", "my-vectors"))
    with pytest.raises(UsageError, match="needs one --store") as caught:
        bucket.query(parser().parse_args(["query", "x", "--backend", "postgresql://localhost/notes"]))
    assert "--backend" in caught.value.hint


def test_a_setting_at_fault_is_named() -> None:
    with pytest.raises(UsageError, match="--backend: ef_search: "):
        bucket.chosen(given("--backend", "postgresql://localhost/notes?ef_search=3"))
    with pytest.raises(UsageError, match="region is for places at AWS, or at who speaks like it"):
        bucket.chosen(given("--backend", "postgresql://localhost/notes", "--region", "eu-central-1"))


@pytest.mark.parametrize(
    "place",
    [
        "me:planted@localhost/notes",
        "postgresql://me:planted@localhost/notes",
        "postgres://me:plan/ted-planted@localhost/notes",
        "postgersql://me:planted@localhost/notes",
        "me:planted://localhost/notes",
        "s3vectors://me:planted@my-vectors",
        "s3://me:planted@my-bucket/prefix",
        "s3://my-bucket?prefix=planted",
        "postgresql://localhost/notes?password=planted",
        "postgresql://localhost/notes?sslmode=planted",
        "postgresql://localhost:planted/notes",
        "faiss://me:planted@here",
        "qdrant+https://planted@here",
        "qdrant+https://me:planted@here",
        "qdrant+https://here?api_key=planted",
        "qdrant+https://here?index=planted",
    ],
)
def test_what_may_be_a_password_is_never_told(place: str, capfd: pytest.CaptureFixture[str]) -> None:
    for command in (["store", "list"], ["query", "x", "-s", "notes"], ["index", "x.md", "-s", "notes"]):
        for flag in ("--backend", "--bucket"):
            assert main([*command, flag, place]) == 2
            told = "".join(capfd.readouterr())
            assert (told != "", "planted" in told) == (True, False), told


def test_a_type_that_is_unknown_or_has_no_places_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown backend type 'milvus'"):
        bucket.chosen(given("--bucket", "milvus://here"))
    with pytest.raises(UsageError, match="faiss is no backend that others reach by a name"):
        bucket.chosen(given("--bucket", "faiss://here"))


def test_flags_of_a_bucket_need_one() -> None:
    assert not bucket.wanted(given())
    assert bucket.wanted(given("--bucket", "my-vectors"))
    with pytest.raises(UsageError, match="--endpoint-url needs --bucket"):
        bucket.wanted(given("--endpoint-url", "https://x"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["coffee", "--tag", "work"], "--tag"),
        (["coffee", "--not-tag", "work"], "--not-tag"),
        (["coffee", "--not-folder", "Work"], "--not-folder"),
        (["coffee", "--folder", "Work", "--folder", "Home"], "more than one --folder"),
        (["coffee", "--on", "2026"], "--on"),
        (["coffee", "--sort", "name"], "--sort name"),
        (["coffee tag:work"], "tag:work"),
        (["coffee", " -tea"], "-tea"),
    ],
)
def test_what_an_index_alone_cannot_answer_is_refused_and_named(words: list[str], named: str) -> None:
    args = parser().parse_args(["query", *words, "--bucket", "my-vectors", "-s", "notes"])
    with pytest.raises(UsageError, match="needs the catalog") as caught:
        bucket.query(args)
    assert caught.value.message.startswith(named)


@pytest.mark.parametrize(
    "url", ["sqlite:/a.db?foo=1", "file:/a?foo=1", "s3vectors://my-vectors?foo=1", "s3://my-bucket?foo=1"]
)
def test_a_setting_that_there_is_not_is_said_in_our_words(url: str) -> None:
    with pytest.raises(UsageError, match="--backend: there is no setting 'foo'"):
        bucket.chosen(given("--backend", url))


@pytest.mark.parametrize(
    ("url", "key", "near"),
    [
        ("postgresql://localhost/notes?schema=x", "schema", "schema_name"),
        ("opensearch+http://127.0.0.1?canidates=50", "canidates", "candidates"),
        ("s3://my-bucket?endpoint=http://127.0.0.1", "endpoint", "endpoint_url"),
        ("sqlite:/a.db?remotetext=true", "remotetext", "remote_text"),
        ("qdrant+http://127.0.0.1?api-key-file=x", "api-key-file", "api_key_file"),
        ("s3vectors://my-vectors?regoin=eu-central-1", "regoin", "region"),
    ],
)
def test_of_a_setting_that_is_misspelt_the_nearest_is_named_behind_each_flag(url: str, key: str, near: str) -> None:
    for complained in (lambda: bucket.chosen(given("--backend", url)), lambda: bucket.named("--from", url)):
        with pytest.raises(UsageError, match=f": there is no setting '{key}'") as caught:
            complained()
        assert caught.value.hint.startswith(f"did you mean '{near}'? one of: ")


def test_what_is_copied_from_is_complained_of_as_what_is_copied_to() -> None:
    for flag, complained in (
        ("--backend", lambda url: bucket.chosen(given("--backend", url))),
        ("--from", lambda url: bucket.named("--from", url)),
    ):
        with pytest.raises(UsageError, match=f"^{flag}: ef_search: "):
            complained("postgresql://localhost/notes?ef_search=3")
        with pytest.raises(UsageError, match=f"^{flag}: bucket name 'ab' is not"):
            complained("s3://ab")


def test_of_several_indexes_one_that_somebody_damaged_keeps_no_other_from_being_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bucket.named("--from", f"file:{tmp_path / 'rows'}") as place:
        for name in ("broken", "whole"):
            place.backend.create_collection(name, 4, "cosine", space="s", model="some/model")
    (tmp_path / "rows" / "broken" / "manifest.json").write_text("{}")
    config = tmp_path / "config.yaml"
    config.write_text(f"stores: {{whole: {{sources: [], backend: {{type: file, path: {tmp_path / 'rows'}}}}}}}")
    for command, indented in (
        (["store", "list", "--backend", f"file:{tmp_path / 'rows'}"], ""),
        (["store", "list", "--all", "--config", str(config), "--data-dir", str(tmp_path / "data")], "  "),
    ):
        assert main(command) == 1
        told = capsys.readouterr()
        lines = [line for line in told.out.splitlines() if line.startswith(indented + "whole  ") and "4-d" in line]
        assert len(lines) == 1, told.out
        assert f"{indented}broken" in told.out
        assert told.err.startswith("broken: ")
        assert main([*command, "--json"]) == 1
        answer = json.loads(capsys.readouterr().out)
        rows = (answer["shared"][0] if "shared" in answer else answer)["stores"]
        assert [(row["name"], "error" in row) for row in rows] == [("broken", True), ("whole", False)]
        assert rows[0]["error"]["code"]
